"""Points, targets and errors that the theory's parts share."""

import numpy as np
import torch
from torch import Tensor


def points(images: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) uint8 as points (N, d) float64, pixels in [0, 1]."""
    return images.reshape(len(images), -1) / 255.0


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Targets (n, classes) float64: 1 for the class, 0 for the others."""
    return torch.nn.functional.one_hot(labels, classes).double()


def error_rate(values: Tensor, labels: Tensor) -> float:
    """The share of points (n,) whose largest of the values (n, classes) is not at their label."""
    return (values.argmax(dim=1) != labels).double().mean().item()
