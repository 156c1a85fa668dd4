"""Exact interpolation by a Gaussian kernel: alpha = K^-1 Y, K = exp(-bandwidth ||x - x'||^2) (paper, section 5).

The factor of K is a blocked Cholesky decomposition in panels of rows, in place: n^2/2 numbers, 7 GB in float32 at n =
60,000, where a single LAPACK call would also overflow its 32-bit indices. On the CPU it is in float32 and serves as a
preconditioner: conjugate gradients, with tiles of the kernel formed in float64 from the stored distances, bring the
residual to 1e-6 in a few steps. On a GPU with enough memory the factor is in float64, and the same steps confirm it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from rethinking.core.errors import DataError
from rethinking.theory.common import config
from rethinking.theory.common.points import error_rate, one_hot
from rethinking.theory.kernels.distances import PANEL, Distances, HeldOut, Stored, Triangle

TOLERANCE = 1e-6
MOST_STEPS = 100
# Kernel values formed at once and used twice while they are in the cache: 4 MB in float64.
TILE_ROWS, TILE_COLUMNS = 500, 1000
# Kernel values formed at once and used once: 16 MiB, too little for the allocator to return to the system.
BLOCK_ELEMENTS = 2**21


@dataclass(frozen=True)
class Kernel:
    """The matrix exp(-bandwidth D) + ridge I of training distances D, formed a part at a time."""

    distances: Distances
    bandwidth: float
    ridge: float = 0.0

    def rows(self, rows: slice, dtype: torch.dtype) -> Tensor:
        """The rows up to the diagonal, (rows, rows.stop)."""
        return self._part(rows, slice(0, rows.stop), dtype)

    def _part(self, rows: slice, columns: slice, dtype: torch.dtype) -> Tensor:
        """(rows, columns); `columns` end where `rows` begin or earlier, or where `rows` end."""
        part = self.distances.train(rows, columns, dtype).mul_(-self.bandwidth).exp_()
        if columns.stop == rows.stop:
            part[:, rows.start - columns.start :].diagonal().add_(self.ridge)
        return part

    def product(self, vectors: Tensor) -> Tensor:
        """The matrix times vectors (n, k), in their dtype. Half of it is formed, in tiles that are used twice.

        The vectors lie in memory one after the other, so that their product with a tile is three times as fast.
        """
        given = vectors.T.contiguous()
        result = torch.zeros_like(given)
        for rows in _slices(self.distances.train_size, TILE_ROWS):
            for columns in _slices(rows.start, TILE_COLUMNS):
                tile = self._part(rows, columns, vectors.dtype)
                result[:, rows].addmm_(given[:, columns], tile.T)
                result[:, columns].addmm_(given[:, rows], tile)
            result[:, rows].addmm_(given[:, rows], self._part(rows, rows, vectors.dtype))
        return result.T.contiguous()

    def predictions(self, coefficients: Tensor) -> Tensor:
        """Values (m, k) at the test points of the function with coefficients (n, k)."""
        blocks = _slices(self.distances.test_size, max(1, BLOCK_ELEMENTS // self.distances.train_size))
        kernels = (self.distances.test(rows, coefficients.dtype).mul_(-self.bandwidth).exp_() for rows in blocks)
        return torch.cat([kernel @ coefficients for kernel in kernels])


def _slices(count: int, size: int) -> list[slice]:
    """Slices of `size` rows that cover `count` rows."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


class NotPositiveDefinite(Exception):
    """In the precision of the factor the matrix has an eigenvalue that is not positive."""


def cholesky(rows: Callable[[slice], Tensor], size: int, panel: int = PANEL) -> Triangle:
    """The lower Cholesky factor of a symmetric matrix, given its rows up to the diagonal.

    Each panel is computed from those above it, mostly by products of (B, j B) with (j B, B), and allocated only then.
    Raises NotPositiveDefinite.
    """
    factor = Triangle(size, panel)
    for start, stop in factor:
        current = rows(slice(start, stop))
        for (first, last), above in zip(factor.bounds, factor.panels, strict=False):
            if first:
                current[:, first:last].addmm_(current[:, :first], above[:, :first].T, alpha=-1)
            solved = torch.linalg.solve_triangular(above[:, first:], current[:, first:last].T, upper=False)
            current[:, first:last] = solved.T
        square = current[:, start:]
        if start:
            square.addmm_(current[:, :start], current[:, :start].T, alpha=-1)
        lower, failed = torch.linalg.cholesky_ex(square)
        if failed:
            raise NotPositiveDefinite
        square.copy_(lower)
        factor.panels.append(current)
    return factor


def solve(factor: Triangle, right: Tensor) -> Tensor:
    """Solve L L^T X = right (n, k) in the dtype of the factor; the result has the dtype of `right`."""
    solution = right.to(factor.panels[0].dtype, copy=True)
    for (start, stop), panel in zip(factor.bounds, factor.panels, strict=True):
        solution[start:stop] -= panel[:, :start] @ solution[:start]
        solution[start:stop] = torch.linalg.solve_triangular(panel[:, start:], solution[start:stop], upper=False)
    for (start, stop), panel in zip(reversed(factor.bounds), reversed(factor.panels), strict=True):
        solution[start:stop] = torch.linalg.solve_triangular(panel[:, start:].T, solution[start:stop], upper=True)
        solution[:start] -= panel[:, :start].T @ solution[start:stop]
    return solution.to(right.dtype)


class Solution(NamedTuple):
    """Coefficients (n, k), the kernel matrix times these (n, k), and the relative residual of each column (k,)."""

    coefficients: Tensor
    fitted: Tensor
    residuals: Tensor
    steps: int


def interpolate(kernel: Kernel, targets: Tensor, panel: int = PANEL) -> Solution:
    """Solve (K + ridge I) alpha = targets (n, k) float64 to a relative residual of TOLERANCE in every column.

    The residuals are measured on the solution, by one more product with the matrix in float64.
    """
    coefficients, steps = conjugate_gradients(kernel.product, partial(solve, preconditioner(kernel, panel)), targets)
    fitted = kernel.product(coefficients)
    return Solution(coefficients, fitted, _ratio((targets - fitted).norm(dim=0), targets.norm(dim=0)), steps)


def preconditioner(kernel: Kernel, panel: int = PANEL) -> Triangle:
    """A Cholesky factor of the kernel matrix, in the best precision there is memory for.

    Where the matrix is not positive definite in float32, a little is added to its diagonal, for the factor only.
    Raises DataError where that does not help.
    """
    size = kernel.distances.train_size
    dtype = factor_dtype(size, kernel.distances.device)
    for jitter in (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2):
        raised = Kernel(kernel.distances, kernel.bandwidth, kernel.ridge + jitter)
        try:
            return cholesky(partial(raised.rows, dtype=dtype), size, panel)
        except NotPositiveDefinite:
            continue
    raise DataError(f"the kernel matrix at bandwidth {kernel.bandwidth} has no Cholesky factor; use a larger bandwidth")


def factor_dtype(size: int, device: torch.device) -> torch.dtype:
    """Float64 on a GPU whose memory holds its triangle, distances and blocks, else float32.

    All of the memory counts, not what is free: the result must not depend on who else uses the GPU.
    """
    if device.type != "cuda":
        return torch.float32
    memory = torch.cuda.get_device_properties(device).total_memory
    return torch.float64 if memory > 12 * size**2 else torch.float32


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], precondition: Callable[[Tensor], Tensor], targets: Tensor
) -> tuple[Tensor, int]:
    """Solve for every column of targets (n, k) at once; return the solution and the number of products.

    Stops at half of TOLERANCE, as the residual is updated and not measured, or after MOST_STEPS.
    """
    solution, residual = torch.zeros_like(targets), targets.clone()
    goal = TOLERANCE / 2 * targets.norm(dim=0)
    direction = correction = precondition(residual)
    slope = (residual * correction).sum(dim=0)
    for step in range(1, MOST_STEPS + 1):
        image = product(direction)
        length = _ratio(slope, (direction * image).sum(dim=0))
        solution += length * direction
        residual -= length * image
        if (residual.norm(dim=0) <= goal).all():
            return solution, step
        correction = precondition(residual)
        # Polak and Ribiere's form, which forgives that a float32 solve is not quite a linear map.
        new_slope = (residual * correction).sum(dim=0)
        drift = -(length * image * correction).sum(dim=0)
        direction = correction + _ratio(drift, slope) * direction
        slope = new_slope
    return solution, MOST_STEPS


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their ratio; 0 where the denominator is 0, as in the column of a class without points."""
    return torch.where(denominator == 0, 0.0, numerator / denominator)


class Trial(NamedTuple):
    """A bandwidth and ridge, the error on held-out training points and the relative residual it was solved to."""

    bandwidth: float
    ridge: float
    held_out_error: float
    relative_residual: float


def search(
    distances: Stored, labels: Tensor, classes: int, settings: config.Kernel, ridges: Sequence[float]
) -> list[Trial]:
    """Try every bandwidth and ridge: solve on the first `search_size` training points, test on the next `held_out`.

    labels: (n,) int64 of the training points. No test point is used. Raises DataError where points are too few.
    """
    train_size, held_out = settings.search_size, settings.held_out
    if train_size + held_out > distances.train_size:
        raise DataError(
            f"theory.kernel: search_size {train_size} and held_out {held_out} exceed the "
            f"{distances.train_size} training images; make them smaller"
        )
    part = HeldOut(distances, train_size, held_out)
    targets, kept = one_hot(labels[:train_size], classes), labels[train_size : train_size + held_out]
    trials = []
    for bandwidth in settings.bandwidths:
        for ridge in ridges:
            kernel = Kernel(part, bandwidth, ridge)
            solution = interpolate(kernel, targets)
            error = error_rate(kernel.predictions(solution.coefficients), kept)
            trials.append(Trial(bandwidth, ridge, error, solution.residuals.max().item()))
    return trials


def best(trials: Sequence[Trial]) -> Trial:
    """The solved trial of least held-out error, the last of equal ones. Raises DataError where none was solved."""
    solved = [trial for trial in trials if trial.relative_residual <= TOLERANCE]
    if not solved:
        raise DataError("theory.kernel: no bandwidth of the grid gives a system that can be solved; use larger ones")
    return min(reversed(solved), key=lambda trial: trial.held_out_error)


def squared_norms(solution: Solution, ridge: float = 0.0) -> Tensor:
    """The squared norm, in the kernel's Hilbert space, of the function of each column: alpha^T K alpha."""
    without_ridge = solution.fitted - ridge * solution.coefficients
    return (solution.coefficients * without_ridge).sum(dim=0)
