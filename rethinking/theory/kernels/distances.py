"""Squared distances between images, computed once and kept: exact ones of pixels, or sums over blocks of features.

Of the distances among training points only the lower triangle is formed. A `Triangle` holds it in panels: panel i has
the rows [i B, (i + 1) B) and the columns up to its last row, so that the upper triangle takes no memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

PANEL = 2000  # rows; large enough that a product of two panels runs at the machine's speed
TILE = 1000  # rows and columns whose products are converted while they are in the cache
# Features of 0 to 255 whose product float32 sums without rounding, all partial sums being below 2^24.
EXACT_FEATURES = 2**24 // 255**2


class Triangle:
    """The lower triangle of a symmetric matrix (n, n) as panels of rows."""

    def __init__(self, size: int, panel: int = PANEL):
        self.bounds = [(start, min(start + panel, size)) for start in range(0, size, panel)]
        self.panels: list[Tensor] = []
        self.size = size

    @classmethod
    def zeros(cls, size: int, dtype: torch.dtype, device: torch.device, panel: int = PANEL) -> "Triangle":
        triangle = cls(size, panel)
        triangle.panels = [torch.zeros((stop - start, stop), dtype=dtype, device=device) for start, stop in triangle]
        return triangle

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """First and last row (excluded) of each panel."""
        return iter(self.bounds)

    def part(self, rows: slice, columns: slice) -> Tensor:
        """A copy of (rows, columns); `columns` end where `rows` begin or earlier, or where `rows` end.

        Where the rows cross the diagonal, the copy is mirrored.
        """
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        block = torch.empty(shape, dtype=self.panels[0].dtype, device=self.panels[0].device)
        for (start, stop), panel in zip(self.bounds, self.panels, strict=True):
            first, last = max(start, rows.start), min(stop, rows.stop)
            if first < last:
                known = panel[first - start : last - start, columns]
                block[first - rows.start : last - rows.start, : known.shape[1]] = known
        if columns.stop > rows.start:
            square = block[:, rows.start - columns.start :]
            square.copy_(square.tril() + square.tril(-1).T)
        return block


@dataclass(frozen=True)
class Stored:
    """Squared distances in multiples of `unit`: a triangle among n training points, (m, n) from the test points."""

    triangle: Triangle
    cross: Tensor
    unit: float = 1.0

    @property
    def train_size(self) -> int:
        return self.triangle.size

    @property
    def test_size(self) -> int:
        return len(self.cross)

    @property
    def device(self) -> torch.device:
        return self.cross.device

    def train(self, rows: slice, columns: slice, dtype: torch.dtype) -> Tensor:
        """Between training points, (rows, columns); from a point to itself exactly 0.

        `columns` end where `rows` begin or earlier, or where `rows` end.
        """
        block = self.triangle.part(rows, columns).to(dtype).mul_(self.unit)
        if columns.stop > rows.start:
            block[:, rows.start - columns.start :].fill_diagonal_(0)
        return block

    def test(self, rows: slice, dtype: torch.dtype) -> Tensor:
        """From test points to all training points, (rows, train_size)."""
        return self.cross[rows].to(dtype) * self.unit


def pixel_distances(train: Tensor, test: Tensor, panel: int = PANEL) -> Stored:
    """Exact distances of points (n, d) and (m, d) of uint8, d at most 33,000, on the scale of pixels in [0, 1].

    Stored as int32. Products are in float32, of so few features at once that no sum is rounded.
    """
    train, test = train.float(), test.float()
    triangle = Triangle(len(train), panel)
    triangle.panels = [_exact_distances(train[start:stop], train[:stop]) for start, stop in triangle]
    return Stored(triangle, _exact_distances(test, train), unit=1 / 255**2)


def _exact_distances(left: Tensor, right: Tensor) -> Tensor:
    """Between points (n, d) and (m, d) of whole numbers 0 to 255 in float32: (n, m) int32."""
    lengths = [points.square().sum(dim=1, dtype=torch.float64).int() for points in (left, right)]
    total = lengths[0][:, None] + lengths[1][None]
    for row in range(0, len(left), TILE):
        for column in range(0, len(right), TILE):
            tile = total[row : row + TILE, column : column + TILE]
            parts = (
                points.split(EXACT_FEATURES, dim=1)
                for points in (left[row : row + TILE], right[column : column + TILE])
            )
            for part, other in zip(*parts, strict=True):
                tile.sub_((part @ other.T).int(), alpha=2)
    return total


def feature_distances(blocks: Iterable[tuple[Tensor, Tensor]], panel: int = PANEL) -> Stored:
    """Sum squared distances over blocks of features, each (n, d_b) of the training and (m, d_b) of the test points.

    For features too many to hold: memory is a triangle, an (m, n) matrix, a block of features and the next one.
    """
    stored = None
    for train, test in blocks:
        if stored is None:
            triangle = Triangle.zeros(len(train), torch.float32, train.device, panel)
            stored = Stored(triangle, torch.zeros((len(test), len(train)), device=train.device))
        for (start, stop), rows in zip(stored.triangle, stored.triangle.panels, strict=True):
            _add_squared_distances(rows, train[start:stop], train[:stop])
        for start in range(0, len(test), panel):
            _add_squared_distances(stored.cross[start : start + panel], test[start : start + panel], train)
    if stored is None:
        raise ValueError("no block of features")
    for rows in [*stored.triangle.panels, stored.cross]:
        rows.clamp_(min=0)
    return stored


def _add_squared_distances(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add the distances between left (n, d) and right (m, d) to total (n, m), without a temporary of that size."""
    total.addmm_(left, right.T, alpha=-2)
    total.add_(left.square().sum(dim=1)[:, None]).add_(right.square().sum(dim=1)[None])


@dataclass(frozen=True)
class HeldOut:
    """The first `train_size` training points, with the next `test_size` training points as test points.

    A parameter is chosen on these; the test points of `whole` cannot be reached.
    """

    whole: Stored
    train_size: int
    test_size: int

    @property
    def device(self) -> torch.device:
        return self.whole.device

    def train(self, rows: slice, columns: slice, dtype: torch.dtype) -> Tensor:
        return self.whole.train(rows, columns, dtype)

    def test(self, rows: slice, dtype: torch.dtype) -> Tensor:
        shifted = slice(rows.start + self.train_size, rows.stop + self.train_size)
        return self.whole.train(shifted, slice(0, self.train_size), dtype)


Distances = Stored | HeldOut
