"""Squared distances between images: exact ones of pixels, or summed over a stream of features; computed once and kept.

Of the distances among training points only the lower triangle is ever formed. A `Triangle` holds one in panels: panel i
has the rows [i B, (i + 1) B) and the columns up to its last row, so that the upper triangle takes no memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

PANEL = 2000  # rows; large enough that a product of two panels runs at the machine's speed
TILE = 1000  # rows and columns whose products are converted while they are in the cache
# Features of 0 to 255 whose product float32 sums without rounding, all partial sums being below 2^24.
EXACT_FEATURES = 2**24 // 255**2


class Distances(Protocol):
    """Squared distances from training points, and from test points to training points, a part at a time."""

    @property
    def train_size(self) -> int:
        """How many training points there are."""

    @property
    def test_size(self) -> int:
        """How many test points there are."""

    @property
    def device(self) -> torch.device:
        """Where the distances are formed."""

    def train(self, rows: slice, columns: slice, dtype: torch.dtype) -> Tensor:
        """From training points `rows` to `columns`, which end before the rows begin, or with them: (rows, columns)."""

    def test(self, rows: slice, dtype: torch.dtype) -> Tensor:
        """From the test points `rows` to all training points: (rows, train_size)."""


class Triangle:
    """The lower triangle of a symmetric matrix (n, n) as panels of rows."""

    def __init__(self, size: int, panel: int = PANEL):
        self.bounds = [(start, min(start + panel, size)) for start in range(0, size, panel)]
        self.panels: list[Tensor] = []
        self.size, self.panel = size, panel

    @classmethod
    def zeros(cls, size: int, dtype: torch.dtype, device: torch.device, panel: int = PANEL) -> "Triangle":
        """A triangle of zeros."""
        triangle = cls(size, panel)
        triangle.panels = [torch.zeros((stop - start, stop), dtype=dtype, device=device) for start, stop in triangle]
        return triangle

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """First and last row (excluded) of each panel."""
        return iter(self.bounds)

    def part(self, rows: slice, columns: slice) -> Tensor:
        """A copy of rows, within one panel or several, and columns; these end before the rows begin, or with them.

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
    """Distances kept, in multiples of `unit`: the triangle among n training points and (m, n) from the test points."""

    triangle: Triangle
    cross: Tensor
    unit: float = 1.0

    @property
    def train_size(self) -> int:
        """n."""
        return self.triangle.size

    @property
    def test_size(self) -> int:
        """m."""
        return len(self.cross)

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self.cross.device

    def train(self, rows: slice, columns: slice, dtype: torch.dtype) -> Tensor:
        """Squared distances, as the protocol says; exactly zero from a point to itself."""
        block = self.triangle.part(rows, columns).to(dtype).mul_(self.unit)
        if columns.stop > rows.start:
            block[:, rows.start - columns.start :].fill_diagonal_(0)
        return block

    def test(self, rows: slice, dtype: torch.dtype) -> Tensor:
        """Squared distances, as the protocol says."""
        return self.cross[rows].to(dtype) * self.unit


def of_pixels(train: Tensor, test: Tensor, panel: int = PANEL) -> Stored:
    """Exact distances of points (n, d) and (m, d) of uint8, d at most 33,000, on the scale of pixels in [0, 1].

    Kept as int32. The products run in float32, so few features at once that no sum is rounded.
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


def accumulate(blocks: Iterable[tuple[Tensor, Tensor]], panel: int = PANEL) -> Stored:
    """Sum squared distances over blocks of features, each (n, d_b) of the training and (m, d_b) of the test points.

    The kernel of features too many to hold: memory is a triangle, an (m, n) matrix, a block of features and the next.
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
    """Add in place, without a temporary of that size."""
    total.addmm_(left, right.T, alpha=-2)
    total.add_(left.square().sum(dim=1)[:, None]).add_(right.square().sum(dim=1)[None])


@dataclass(frozen=True)
class HeldOut:
    """The first `train_size` training points as training points, the next `test_size` of them as test points.

    What a parameter is chosen on; the test points of `whole` are out of reach.
    """

    whole: Distances
    train_size: int
    test_size: int

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self.whole.device

    def train(self, rows: slice, columns: slice, dtype: torch.dtype) -> Tensor:
        """Squared distances, as the protocol says."""
        return self.whole.train(rows, columns, dtype)

    def test(self, rows: slice, dtype: torch.dtype) -> Tensor:
        """Squared distances, as the protocol says."""
        shifted = slice(rows.start + self.train_size, rows.stop + self.train_size)
        return self.whole.train(shifted, slice(0, self.train_size), dtype)
