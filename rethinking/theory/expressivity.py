"""Theorem 1 (paper, section 4): a two-layer ReLU network with 2n + d weights takes any n values on any n points.

Project the points on a direction a, so that z = <a, x> are distinct numbers, and sort them. The network is
c(x) = sum_j w_j max(<a, x> - b_j, 0). With each threshold b_j at the point before z_j (the closed end of the interval
in which the paper's proof places it) the n x n matrix max(z_i - b_j, 0) is lower triangular with a positive diagonal,
and its inverse takes second differences: c is the piecewise linear function through all points. Sorting takes
O(n log n), the rest O(n) time and memory, all in float64. The paper's corollary, the same with k hidden layers of n/k
units, gives every layer an interval of the line and hands the value so far to the next.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rethinking.core.arrays import ImageData
from rethinking.core.errors import DataError, UsageError
from rethinking.theory.common.config import Expressivity
from rethinking.theory.common.points import points

# Hidden activations held at once: 128 MiB of float64.
BLOCK_ELEMENTS = 2**24


@dataclass(frozen=True)
class Units:
    """Hidden units of one layer: thresholds (m,) and output weights (m,), float64."""

    thresholds: np.ndarray
    weights: np.ndarray


def random_direction(dimension: int, generator: np.random.Generator) -> np.ndarray:
    """A direction (d,) float64, uniform on the unit sphere: distinct points have distinct projections almost surely."""
    direction = generator.standard_normal(dimension)
    return direction / np.linalg.norm(direction)


def project(images: np.ndarray, direction: np.ndarray, block: int = 1000) -> np.ndarray:
    """<a, x> of every image, (N,) float64, a block of images at a time."""
    return np.concatenate([points(images[i : i + block]) @ direction for i in range(0, len(images), block)])


def two_layer_units(projections: np.ndarray, targets: np.ndarray) -> Units:
    """The hidden units that take the value targets (n,) at projections (n,).

    Raises DataError where two projections coincide, as two equal images do.
    """
    _, thresholds, slopes = _interpolate(projections, targets)
    return Units(thresholds, np.diff(slopes, prepend=0.0))


def deep_units(projections: np.ndarray, targets: np.ndarray, layers: int) -> list[Units]:
    """The same function in k hidden layers, each with n/k of the points.

    One unit more in each layer brings its slope back to zero at its last point. Beyond it the layer is constant,
    so that the sum of layers never leaves the range of the targets. Raises DataError as two_layer_units does.
    """
    ordered, thresholds, slopes = _interpolate(projections, targets)
    parts = np.array_split(np.arange(len(ordered)), layers)
    return [
        Units(np.append(thresholds[part], ordered[part[-1]]), np.diff(slopes[part], prepend=0.0, append=0.0))
        for part in parts
        if len(part)
    ]


def condition_number(projections: np.ndarray) -> float:
    """The condition number in the maximum norm of the n x n matrix max(z_i - b_j, 0), exact, without the matrix."""
    ordered, thresholds, _ = _interpolate(projections, np.zeros(len(projections)))
    inverse_gaps = 1 / (ordered - thresholds)
    # The last row of the matrix is its largest. Row i of the inverse is the second difference at point i.
    largest_row = (ordered[-1] - thresholds).sum()
    before = np.concatenate([[0.0], inverse_gaps[:-1]])
    rows = 2 * (inverse_gaps + before)
    rows[0] = inverse_gaps[0]
    rows[1:2] = 2 * inverse_gaps[1:2] + inverse_gaps[:1]
    return float(largest_row * rows.max())


def _interpolate(projections: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sorted projections, the threshold before each, and the slope of the line from one point to the next."""
    order = np.argsort(projections, kind="stable")
    ordered, values = projections[order], targets[order].astype(np.float64)
    mean_gap = (ordered[-1] - ordered[0]) / max(len(ordered) - 1, 1)
    thresholds = np.concatenate([[ordered[0] - (mean_gap or 1.0)], ordered[:-1]])
    gaps = ordered - thresholds
    if (gaps <= 0).any():
        first, second = order[np.argmin(gaps) - 1], order[np.argmin(gaps)]
        raise DataError(f"images {first} and {second} have the same projection, as equal images do; drop one of them")
    return ordered, thresholds, np.diff(values, prepend=0.0) / gaps


class TwoLayerNetwork(nn.Module):
    """c(x) = sum_j w_j max(<a, x> - b_j, 0): d weights of the direction, n thresholds, n output weights."""

    def __init__(self, direction: np.ndarray, units: Units):
        super().__init__()
        self.direction = nn.Parameter(torch.from_numpy(direction))
        self.thresholds = nn.Parameter(torch.from_numpy(units.thresholds))
        self.weights = nn.Parameter(torch.from_numpy(units.weights))

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, d) to (N,)."""
        projections = inputs @ self.direction
        return torch.relu(projections[:, None] - self.thresholds) @ self.weights


class DeepNetwork(nn.Module):
    """Several hidden layers: each adds the units max(z - b_j, 0) of its own interval, and passes on z and the value.

    To pass them on takes three units with fixed weights: max(z, 0), where z is counted from the first threshold, and
    max(v, 0), max(-v, 0) of the value v.
    """

    def __init__(self, direction: np.ndarray, layers: list[Units]):
        super().__init__()
        start = layers[0].thresholds[0]
        self.direction = nn.Parameter(torch.from_numpy(direction))
        self.start = nn.Buffer(torch.tensor(start, dtype=torch.float64))
        self.thresholds = nn.ParameterList([torch.from_numpy(units.thresholds - start) for units in layers])
        self.weights = nn.ParameterList([torch.from_numpy(units.weights) for units in layers])

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, d) to (N,)."""
        position = inputs @ self.direction - self.start
        value = torch.zeros_like(position)
        for thresholds, weights in zip(self.thresholds, self.weights, strict=True):
            own = torch.relu(position[:, None] - thresholds) @ weights
            position, value = torch.relu(position), torch.relu(value) - torch.relu(-value) + own
        return value


@torch.inference_mode()
def evaluate(network: nn.Module, images: np.ndarray, widest_layer: int) -> np.ndarray:
    """The network's value (N,) float64 on images (N, H, W, C), in blocks, so that memory stays bounded."""
    parameter = next(network.parameters())
    block = max(1, BLOCK_ELEMENTS // max(widest_layer, images[0].size))
    values = [
        network(torch.from_numpy(points(images[i : i + block])).to(parameter)) for i in range(0, len(images), block)
    ]
    return torch.cat(values).double().cpu().numpy()


def fit_images(
    settings: Expressivity, data: ImageData, seed: int, device: torch.device
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Fit random labels and random real targets on more and more images, and the labels of all in a deep network too.

    Returns the result on the largest number of images, that of the deep network in it as `deep`, and a row for each
    number. Raises UsageError where there are fewer images than asked for.
    """
    images = np.concatenate([data.train_images, data.test_images]) if settings.test_images else data.train_images
    if max(settings.sizes) > len(images):
        raise UsageError(f"theory.expressivity.sizes: found {max(settings.sizes)}, but there are {len(images)} images")
    generator = np.random.default_rng([seed, 0])
    order = generator.permutation(len(images))
    direction = random_direction(images[0].size, generator)
    labels = generator.integers(0, data.classes, len(images))
    targets = generator.standard_normal(len(images))

    rows = []
    for size in sorted(settings.sizes):
        chosen = np.sort(order[:size])
        rows.append(fit_two_layers(images[chosen], labels[chosen], targets[chosen], direction, device))
        print(
            f"{size} points: accuracy {rows[-1]['label_accuracy']:.2%}, residual {rows[-1]['label_residual']:.1e}",
            flush=True,
        )
    deep = fit_deep(images[chosen], labels[chosen], direction, settings.layers, device)
    sizes = {"dataset": data.name, "train_size": size}
    return {**sizes, **rows[-1], "deep": {**sizes, **deep}}, rows


def fit_two_layers(
    images: np.ndarray, labels: np.ndarray, targets: np.ndarray, direction: np.ndarray, device: torch.device
) -> dict[str, Any]:
    """How well networks of two layers take labels (n,) int64, in float64 and float32, and real targets (n,)."""
    projections, size = project(images, direction), len(images)
    network = TwoLayerNetwork(direction, two_layer_units(projections, labels)).to(device)
    real_network = TwoLayerNetwork(direction, two_layer_units(projections, targets)).to(device)
    return {
        "points": size,
        "weights": sum(parameter.numel() for parameter in network.parameters()),
        "condition_number": condition_number(projections),
        "smallest_gap": float(np.diff(np.sort(projections)).min(initial=np.inf)),
        "largest_weight": network.weights.detach().abs().max().item(),
        **accuracy_and_residual(evaluate(network, images, size), labels, "label"),
        "target_residual": float(np.abs(evaluate(real_network, images, size) - targets).max()),
        **accuracy_and_residual(evaluate(network.float(), images, size), labels, "float32_label"),
    }


def fit_deep(
    images: np.ndarray, labels: np.ndarray, direction: np.ndarray, layers: int, device: torch.device
) -> dict[str, Any]:
    """How well a network of so many hidden layers takes labels (n,) int64, in float64 and float32."""
    network = DeepNetwork(direction, deep_units(project(images, direction), labels, layers)).to(device)
    own_units = -(-len(images) // layers) + 1
    return {
        "layers": layers,
        "width": own_units + 3,
        "weights": sum(parameter.numel() for parameter in network.parameters()),
        **accuracy_and_residual(evaluate(network, images, own_units), labels, "label"),
        **accuracy_and_residual(evaluate(network.float(), images, own_units), labels, "float32_label"),
    }


def accuracy_and_residual(values: np.ndarray, labels: np.ndarray, name: str) -> dict[str, float]:
    """The share of labels that the network's values round to, and the largest difference from them."""
    accuracy, residual = np.mean(np.rint(values) == labels), np.abs(values - labels).max()
    return {f"{name}_accuracy": float(accuracy), f"{name}_residual": float(residual)}
