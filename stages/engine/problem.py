"""What a network is trained and evaluated on, as tensors that lie on the device for the whole run."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator, Tensor

Augment = Callable[[Tensor, Generator], Tensor]


@dataclass(frozen=True)
class Problem:
    """Network inputs (N, H, W, C) float, ready for evaluation, and labels (N,) int64.

    Where `augment` is given, a step draws its batch from `train_images` (N, H, W, C), raw pixels, through it.
    """

    train_inputs: Tensor
    train_labels: Tensor
    train_true_labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor
    train_images: Tensor | None = None
    augment: Augment | None = None
