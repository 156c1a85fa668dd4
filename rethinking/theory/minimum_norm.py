"""Gradient descent on an over-parameterised linear model finds the interpolant of least norm (paper, section 5).

From zero it never leaves the span of the training points, and the only interpolant there is w = X^T (X X^T)^-1 y.
The model is linear in random cosine features, which approximate a Gaussian kernel (Rahimi and Recht, 2007). How well
such a model fits random signs is the empirical Rademacher complexity of section 2.2.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rethinking.core.arrays import ImageData
from rethinking.core.errors import UsageError
from rethinking.theory.common.config import MinimumNorm
from rethinking.theory.common.points import error_rate, one_hot, points

Rows = list[dict[str, Any]]


class Cosines(NamedTuple):
    """Random cosine features: frequencies (d, D) and phases (D,)."""

    frequencies: Tensor
    phases: Tensor

    def __call__(self, inputs: Tensor) -> Tensor:
        """Features (N, D) of inputs (N, d); <f(x), f(y)> is close to exp(-bandwidth ||x - y||^2)."""
        return torch.cos(inputs @ self.frequencies + self.phases) * (2 / len(self.phases)) ** 0.5


def draw_cosines(dimension: int, count: int, bandwidth: float, generator: torch.Generator) -> Cosines:
    """So many random features for inputs of that dimension, float64."""
    frequencies = torch.randn((count, dimension), dtype=torch.float64, generator=generator)
    phases = torch.rand(count, dtype=torch.float64, generator=generator)
    return Cosines((2 * bandwidth) ** 0.5 * frequencies.T, 2 * torch.pi * phases)


def minimum_norm_solution(features: Tensor, targets: Tensor) -> Tensor:
    """The interpolant w (D, K) = X^T (X X^T)^-1 Y of least norm for features X (n, D) of full rank, n <= D."""
    factor = torch.linalg.cholesky(features @ features.T)
    return features.T @ torch.cholesky_solve(targets, factor)


def least_squares_solution(features: Tensor, targets: Tensor) -> Tensor:
    """The w (D, K) of least norm among those of least squared error, whichever of n and D is larger."""
    return torch.linalg.lstsq(features, targets, driver="gelsd").solution


def gradient_descent(features: Tensor, targets: Tensor, weights: Tensor, epochs: int) -> Iterator[Tensor]:
    """Yield the weights (D, K) after each epoch of full-batch gradient descent on the squared error.

    The step is one over the largest eigenvalue of X X^T, the curvature, the largest that is safe without tuning.
    """
    rate = 1 / torch.linalg.eigvalsh(features @ features.T)[-1]
    for _ in range(epochs):
        weights = weights - rate * (features.T @ (features @ weights - targets))
        yield weights


def stochastic_gradient_descent(
    features: Tensor, targets: Tensor, weights: Tensor, epochs: int, batch_size: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Yield the weights (D, K) after each epoch of mini-batch descent in a new random order each epoch.

    At an interpolant every gradient vanishes, so that the rate need not fall. A batch's curvature is at most its size
    times the largest squared length of a point.
    """
    rate = 1 / (batch_size * features.square().sum(dim=1).max())
    for _ in range(epochs):
        for batch in torch.randperm(len(features), generator=generator).split(batch_size):
            rows = features[batch]
            weights = weights - rate * (rows.T @ (rows @ weights - targets[batch]))
        yield weights


def invisible_part(features: Tensor, weights: Tensor) -> Tensor:
    """The part of weights (D, K) that changes no prediction on the training points: orthogonal to all of them."""
    return weights - minimum_norm_solution(features, features @ weights)


class RandomSigns(NamedTuple):
    """How random signs are fitted: one number per draw."""

    complexity: Tensor  # supremum of mean sign_i f(x_i) over linear f with mean f(x_i)^2 <= 1
    accuracy: Tensor  # share of signs that the least-squares fit gets right


def fit_random_signs(features: Tensor, draws: int, generator: torch.Generator) -> RandomSigns:
    """Fit `draws` vectors of random signs by functions linear in features X (n, D).

    The supremum is the length of the signs' projection on the column space over the square root of n: about
    sqrt(D / n) below D = n, and 1 from there on, where everything can be fitted.
    """
    signs = torch.randint(0, 2, (len(features), draws), generator=generator).to(features.dtype) * 2 - 1
    basis, _ = torch.linalg.qr(features)
    fitted = basis @ (basis.T @ signs)
    accuracy = (fitted.sign() == signs).double().mean(dim=0)
    return RandomSigns(fitted.norm(dim=0) / len(features) ** 0.5, accuracy)


class Images(NamedTuple):
    """The chosen training images and all test images as points (n, d) and (m, d) float64, with labels."""

    train: Tensor
    targets: Tensor  # (n, K) float64, one-hot
    test: Tensor
    test_labels: Tensor  # (m,) int64


def choose_images(data: ImageData, count: int, seed: int) -> Images:
    """So many random training images, in their order in the data set, and all test images."""
    chosen = np.sort(np.random.default_rng([seed, 1]).permutation(len(data.train_images))[:count])
    return Images(
        torch.from_numpy(points(data.train_images[chosen])),
        one_hot(torch.tensor(data.train_labels[chosen]), data.classes),
        torch.from_numpy(points(data.test_images)),
        torch.tensor(data.test_labels),
    )


def compare_interpolants(settings: MinimumNorm, data: ImageData, seed: int) -> tuple[dict[str, Any], dict[str, Rows]]:
    """Measure the way to the least norm, interpolants of larger norms, and the fit of random signs.

    Returns the summary and the tables by name. Raises UsageError where there are too few images or features.
    """
    if settings.train_size > len(data.train_images) or settings.features < settings.train_size:
        raise UsageError(
            f"theory.minimum_norm.train_size: found {settings.train_size}; at most theory.minimum_norm.features "
            f"({settings.features}) and the number of training images ({len(data.train_images)}) are allowed"
        )
    images, generator = choose_images(data, settings.train_size, seed), torch.Generator().manual_seed(seed)
    cosines = draw_cosines(images.train.shape[1], settings.features, settings.bandwidth, generator)
    train, test = cosines(images.train), cosines(images.test)
    least = minimum_norm_solution(train, images.targets)
    # The three share one generator, so that their order is part of the result.
    distances = distances_to_least_norm(settings, train, images.targets, least, generator)
    interpolants = longer_interpolants(settings.scales, train, test, images, least, generator)
    signs = random_sign_fits(settings, images, generator)
    summary = {
        "dataset": data.name,
        "train_size": settings.train_size,
        "features": settings.features,
        "norm": least.norm().item(),
        "test_error": error_rate(test @ least, images.test_labels),
        "distance": {row["run"]: row["distance"] for row in distances},  # the last of each run
    }
    return summary, {"distances": distances, "interpolants": interpolants, "random_signs": signs}


def distances_to_least_norm(
    settings: MinimumNorm, train: Tensor, targets: Tensor, least: Tensor, generator: torch.Generator
) -> Rows:
    """How far both kinds of gradient descent, started at zero, are from the least-norm solution as epochs pass."""
    start, epochs = torch.zeros_like(least), settings.epochs
    plain = gradient_descent(train, targets, start, epochs)
    stochastic = stochastic_gradient_descent(train, targets, start, epochs, settings.batch_size, generator)
    return [
        *distance_rows("gradient descent", plain, least),
        *distance_rows("stochastic gradient descent", stochastic, least),
    ]


def distance_rows(name: str, run: Iterator[Tensor], least: Tensor) -> Rows:
    """The relative distance to the least-norm solution after 1, 2, 3, 4, 5, 6, 7, 8, 10, ... epochs and the last."""
    rows, wanted = [], 1
    for epoch, weights in enumerate(run, start=1):
        row = {"run": name, "epoch": epoch, "distance": ((weights - least).norm() / least.norm()).item()}
        if epoch >= wanted:
            rows.append(row)
            wanted = max(epoch + 1, round(1.15 * epoch))
    return rows if rows[-1] == row else [*rows, row]


def longer_interpolants(
    scales: list[float], train: Tensor, test: Tensor, images: Images, least: Tensor, generator: torch.Generator
) -> Rows:
    """Norm, residual and test error as a random part that no training point sees is added, in lengths of `least`."""
    extra = invisible_part(train, torch.randn(least.shape, dtype=torch.float64, generator=generator))
    rows = []
    for scale in scales:
        weights = least + scale * least.norm() / extra.norm() * extra
        rows.append(
            {
                "norm": weights.norm().item(),
                "relative_residual": ((train @ weights - images.targets).norm() / images.targets.norm()).item(),
                "test_error": error_rate(test @ weights, images.test_labels),
            }
        )
    return rows


def random_sign_fits(settings: MinimumNorm, images: Images, generator: torch.Generator) -> Rows:
    """How well ever more cosine features fit random signs, beside their test error on the true labels."""
    rows = []
    for count in settings.counts:
        cosines = draw_cosines(images.train.shape[1], count, settings.bandwidth, generator)
        train, test = cosines(images.train), cosines(images.test)
        complexity, accuracy = fit_random_signs(train, settings.draws, generator)
        rows.append(
            {
                "features": count,
                "complexity": complexity.mean().item(),
                "complexity_std": complexity.std().item(),
                "random_label_accuracy": accuracy.mean().item(),
                "test_error": error_rate(test @ least_squares_solution(train, images.targets), images.test_labels),
            }
        )
    return rows
