"""Exact kernel interpolation: the blocked factor, the residual, closed forms, and a held-out part that stays apart."""

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge

from rethinking.core.errors import DataError
from rethinking.theory.common import config
from rethinking.theory.common.points import error_rate, one_hot
from rethinking.theory.kernels.distances import HeldOut, Triangle, feature_distances, pixel_distances
from rethinking.theory.kernels.solve import (
    TOLERANCE,
    Kernel,
    Trial,
    best,
    cholesky,
    conjugate_gradients,
    interpolate,
    search,
    solve,
    squared_norms,
)

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
BANDWIDTH = 0.3


def on(device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA")
    return torch.device(device)


def points(count, seed=0, dimension=10):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((count, dimension), dtype=torch.float64, generator=generator)


def squared_distances(left, right):
    return torch.cdist(left, right, compute_mode="donot_use_mm_for_euclid_dist").square()


class InFloat64:
    """Distances in float64 from points in memory: what the library keeps in less."""

    def __init__(self, train, test):
        self.train_size, self.test_size, self.device = len(train), len(test), train.device
        self._train, self._test = train.double(), test.double()

    def train(self, rows, columns, dtype):
        return squared_distances(self._train[rows], self._train[columns]).to(dtype)

    def test(self, rows, dtype):
        return squared_distances(self._test[rows], self._train).to(dtype)


def classes_of(inputs):
    return (inputs[:, :3] + 0.3 * inputs[:, 3:6]).argmax(dim=1)


def positive_definite(size, seed=0):
    square = points(size, seed, size)
    return square @ square.T / size + torch.eye(size, dtype=torch.float64)


def below_diagonal(matrix):
    return lambda rows: matrix[rows, : rows.stop].clone()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("size", "panel"), [(1, 4), (7, 16), (64, 16), (65, 16), (127, 50), (200, 33)])
def test_the_blocked_factor_is_numpys_at_any_size(size, panel, device):
    matrix = positive_definite(size)
    factor = cholesky(below_diagonal(matrix.to(on(device))), size, panel)
    assert sum(each.numel() for each in factor.panels) <= size * (size + panel) / 2
    expected = np.linalg.cholesky(matrix.numpy())
    found = np.zeros_like(expected)
    for (start, stop), rows in zip(factor, factor.panels, strict=True):
        found[start:stop, :stop] = rows.cpu().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(("size", "panel"), [(7, 16), (65, 16), (200, 33)])
def test_solving_with_the_blocked_factor_is_solving_the_system(size, panel):
    matrix, right = positive_definite(size), points(size, 1, 3)
    solution = solve(cholesky(below_diagonal(matrix), size, panel), right)
    torch.testing.assert_close(solution, torch.linalg.solve(matrix, right), atol=1e-11, rtol=0)


def test_a_triangle_gives_back_any_of_its_parts():
    matrix = positive_definite(23)
    triangle = Triangle(23, 5)
    triangle.panels = [matrix[start:stop, :stop].clone() for start, stop in triangle]
    for start, stop in ((0, 23), (0, 5), (3, 4), (4, 6), (2, 17), (20, 23)):
        for first, last in ((0, stop), (start, stop), (start // 2, stop), (0, start), (start // 2, start)):
            part = triangle.part(slice(start, stop), slice(first, last))
            torch.testing.assert_close(part, matrix[start:stop, first:last])
            part.zero_()  # a copy
    torch.testing.assert_close(triangle.part(slice(0, 23), slice(0, 23)), matrix)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_the_product_is_that_with_the_whole_matrix(ridge, monkeypatch):
    monkeypatch.setattr("rethinking.theory.kernels.solve.TILE_ROWS", 20)
    monkeypatch.setattr("rethinking.theory.kernels.solve.TILE_COLUMNS", 30)
    train, vectors = points(87), points(87, 1, 3)
    kernel = Kernel(InFloat64(train, train), BANDWIDTH, ridge)
    matrix = torch.exp(-BANDWIDTH * squared_distances(train, train)) + ridge * torch.eye(87, dtype=torch.float64)
    product = kernel.product(vectors)
    torch.testing.assert_close(product, matrix @ vectors, atol=1e-12, rtol=0)
    assert product.is_contiguous()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_the_solution_is_the_dense_one_and_its_residual_below_the_tolerance(device, ridge):
    train, test = points(150).to(on(device)), points(40, 1).to(device)
    targets = one_hot(classes_of(train), 3)
    kernel = Kernel(InFloat64(train, test), BANDWIDTH, ridge)
    solution = interpolate(kernel, targets, panel=37)
    matrix = torch.exp(-BANDWIDTH * torch.cdist(train, train).square())
    matrix += ridge * torch.eye(150, dtype=matrix.dtype, device=device)
    expected = torch.linalg.solve(matrix, targets)
    torch.testing.assert_close(solution.coefficients, expected, atol=1e-4, rtol=0)
    residual = (matrix @ solution.coefficients - targets).norm(dim=0) / targets.norm(dim=0)
    torch.testing.assert_close(solution.residuals, residual, atol=1e-12, rtol=1e-3)
    assert (residual < TOLERANCE).all()
    norms = torch.einsum("nk,nm,mk->k", expected, matrix - ridge * torch.eye(150, device=device), expected)
    torch.testing.assert_close(squared_norms(solution, ridge), norms, rtol=1e-4, atol=0)


def test_it_is_scikit_learns_kernel_ridge_with_a_vanishing_penalty():
    train, test = points(200), points(100, 1)
    targets = one_hot(classes_of(train), 3)
    kernel = Kernel(InFloat64(train, test), BANDWIDTH)
    ours = kernel.predictions(interpolate(kernel, targets).coefficients)
    ridge = KernelRidge(alpha=1e-13, kernel="rbf", gamma=BANDWIDTH).fit(train.numpy(), targets.numpy())
    np.testing.assert_allclose(ours.numpy(), ridge.predict(test.numpy()), atol=1e-5)


def test_random_labels_are_interpolated_whole_and_say_nothing_about_others():
    train, test = points(400), points(400, 1)
    labels = torch.randint(0, 10, (400,), generator=torch.Generator().manual_seed(2))
    kernel = Kernel(InFloat64(train, test), BANDWIDTH)
    solution = interpolate(kernel, one_hot(labels, 10))
    assert error_rate(solution.fitted, labels) == 0
    assert error_rate(kernel.predictions(solution.coefficients), labels) > 0.8


def test_a_class_without_points_and_a_nearly_singular_kernel_are_solved():
    train = points(120, dimension=3)
    targets = one_hot(classes_of(points(120)), 5)
    solution = interpolate(Kernel(InFloat64(train, train), 1.0), targets, panel=50)
    assert solution.coefficients.isfinite().all()
    assert (solution.residuals < TOLERANCE).all()
    assert solution.residuals[4] == 0


def test_conjugate_gradients_converge_where_plain_refinement_with_the_same_factor_diverges():
    matrix, targets = positive_definite(80), points(80, 1, 2)
    poor = cholesky(below_diagonal(matrix.diagonal().diag() / 4), 80)
    error = torch.eye(80, dtype=torch.float64) - solve(poor, matrix)
    assert torch.linalg.eigvals(error).abs().max() > 1
    solution, _ = conjugate_gradients(lambda vectors: matrix @ vectors, lambda right: solve(poor, right), targets)
    torch.testing.assert_close(solution, torch.linalg.solve(matrix, targets), atol=1e-5, rtol=0)


def test_distances_summed_over_blocks_of_features_are_those_of_all_features():
    train, test = points(53).float(), points(21, 1).float()
    blocks = ((train[:, part], test[:, part]) for part in (slice(0, 3), slice(3, 8), slice(8, 10)))
    streamed, whole = feature_distances(blocks, panel=10), InFloat64(train, test)
    for rows, columns in ((slice(0, 53), slice(0, 53)), (slice(7, 34), slice(3, 34)), (slice(7, 34), slice(2, 7))):
        parts = [distances.train(rows, columns, torch.float64) for distances in (streamed, whole)]
        torch.testing.assert_close(*parts, atol=1e-4, rtol=0)
    torch.testing.assert_close(
        streamed.test(slice(3, 21), torch.float64), whole.test(slice(3, 21), torch.float64), atol=1e-4, rtol=0
    )
    assert (streamed.train(slice(0, 53), slice(0, 53), torch.float64).diagonal() == 0).all()


@pytest.mark.parametrize("device", DEVICES)
def test_distances_of_pixels_are_exact(device):
    generator = np.random.default_rng(0)
    black, white = np.zeros((1, 3072), np.uint8), np.full((1, 3072), 255, np.uint8)
    train = np.concatenate([generator.integers(0, 256, (37, 3072), np.uint8), black, white])
    test = np.concatenate([generator.integers(200, 256, (21, 3072), np.uint8), black, white])
    kept = pixel_distances(*(torch.tensor(points, device=on(device)) for points in (train, test)), panel=10)
    among = kept.train(slice(5, 39), slice(0, 39), torch.float64)
    across = kept.test(slice(2, 23), torch.float64)
    for left, found in ((train[5:39], among), (test[2:23], across)):
        wide = left.astype(np.int64)[:, None] - train.astype(np.int64)
        np.testing.assert_allclose(found.cpu().numpy(), (wide**2).sum(axis=2) / 255**2, rtol=1e-15)


def test_the_held_out_part_is_training_points_that_are_not_trained_on():
    train = points(50)
    part = HeldOut(InFloat64(train, points(9, 1)), 30, 12)
    among = part.train(slice(10, 30), slice(4, 30), torch.float64)
    torch.testing.assert_close(among, squared_distances(train[10:30], train[4:30]))
    torch.testing.assert_close(part.test(slice(2, 12), torch.float64), squared_distances(train[32:42], train[:30]))


class NoTestPoints(InFloat64):
    """Training points whose test points must not be looked at."""

    def test(self, rows, dtype):
        raise AssertionError("the test points were looked at")


def test_the_search_never_looks_at_the_test_points_and_finds_what_dense_solves_find():
    train = points(300)
    labels, settings = classes_of(train), config.Kernel(bandwidths=[0.01, 0.1, 3.0], search_size=200, held_out=100)
    trials = search(NoTestPoints(train, points(10, 1)), labels, 3, settings, [0.0])
    for trial in trials:
        matrix = torch.exp(-trial.bandwidth * squared_distances(train, train))
        values = matrix[200:, :200] @ torch.linalg.solve(matrix[:200, :200], one_hot(labels[:200], 3))
        assert trial.held_out_error == pytest.approx(error_rate(values, labels[200:]), abs=0.021)
    assert best(trials).held_out_error == min(trial.held_out_error for trial in trials)


def test_a_bandwidth_that_was_not_solved_is_not_chosen():
    trials = [Trial(1.0, 0.0, 0.1, 1e-3), Trial(2.0, 0.0, 0.2, 1e-8), Trial(3.0, 0.0, 0.2, 1e-8)]
    assert best(trials).bandwidth == 3.0
    with pytest.raises(DataError, match="no bandwidth of the grid"):
        best(trials[:1])


def test_a_search_on_more_points_than_there_are_is_refused():
    settings = config.Kernel(bandwidths=[1.0], search_size=40, held_out=20)
    with pytest.raises(DataError, match=r"search_size 40 and held_out 20 exceed the 50 training images"):
        search(InFloat64(points(50), points(5)), classes_of(points(50)), 3, settings, [0.0])
