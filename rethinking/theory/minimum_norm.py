"""Gradient descent on an over-parameterised linear model finds the interpolant of least norm (paper, section 5).

Started at zero it never leaves the span of the training points, and the only interpolant there is w = X^T (X X^T)^-1 y.
The model is linear in random cosine features, which approximate a Gaussian kernel (Rahimi and Recht, 2007). How well
such a model fits random signs measures the empirical Rademacher complexity of section 2.2.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


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
