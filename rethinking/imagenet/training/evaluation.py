"""Evaluation over several processes: every image once, in the same batches whatever their number."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from rethinking.imagenet.common.index import Split
from rethinking.imagenet.training.loader import Images, Item, batches
from rethinking.imagenet.training.processes import Processes
from rethinking.imagenet.training.transforms import network_input
from rethinking.models.parts.network import autocast

TOP = 5


@dataclass(frozen=True)
class Predictions:
    """The predicted classes (N,) int64, whether the label was among the five highest (N,) bool, and the plain
    cross-entropies (N,) float32, of images in the order that was asked for."""

    classes: np.ndarray
    in_top5: np.ndarray
    losses: np.ndarray


@dataclass(frozen=True)
class Shares:
    """Batches of consecutive images, dealt to the processes in turn."""

    numbers: np.ndarray
    size: int
    processes: Processes

    def __iter__(self) -> Iterator[list[Item]]:
        for start in self.starts():
            yield [(0, int(number)) for number in self.numbers[start : start + self.size]]

    def rounds(self) -> int:
        """How many batches the process that has most of them has."""
        return -(-len(self.numbers) // (self.size * self.processes.size))

    def starts(self) -> range:
        """Where this process's batches begin among the images."""
        return range(self.processes.rank * self.size, len(self.numbers), self.processes.size * self.size)


@torch.no_grad()
def predict(
    model: nn.Module,
    weights: dict[str, Tensor],
    split: Split,
    labels: Tensor,
    numbers: np.ndarray,
    settings: Any,
    processes: Processes,
    poll: Callable[[], None] = lambda: None,
) -> Predictions:
    """Predict the images of these numbers with these weights, in evaluation mode.

    `labels` (all of the split's) are on the device; `settings` is the train section of the parameters. `poll`, which
    all processes call as often, may raise. Raises DataError for an image that cannot be read.
    """
    device = processes.device
    found = torch.zeros(3, len(numbers), dtype=torch.float64, device=device)
    shares = Shares(numbers, settings.evaluation_batch, processes)
    was_training = model.training
    model.eval()
    images = batches(Images(split, settings.input_size), shares, processes.workers)
    mine = zip(shares.starts(), images, strict=True)
    for _ in range(shares.rounds()):
        poll()
        if (share := next(mine, None)) is None:
            continue  # another process has the last batch
        start, (pixels, batch) = share
        truth = labels[batch.to(device)]
        with autocast(device, settings.precision):
            logits = functional_call(model, weights, (network_input(pixels.to(device, non_blocking=True)),))
        logits = logits.float()
        top = logits.topk(min(TOP, logits.shape[1]), dim=1).indices
        losses = functional.cross_entropy(logits, truth, reduction="none")
        among = (top == truth[:, None]).any(dim=1)
        found[:, start : start + len(batch)] = torch.stack([top[:, 0].double(), among.double(), losses.double()])
    model.train(was_training)
    classes, in_top5, all_losses = processes.sum(found).cpu().numpy()
    return Predictions(classes.astype(np.int64), in_top5.astype(bool), all_losses.astype(np.float32))


def scores(prefix: str, predictions: Predictions, labels: np.ndarray) -> dict[str, float]:
    """Loss, accuracy and top-5 accuracy under the names of the contract, such as `test_top5_accuracy`."""
    return {
        f"{prefix}_loss": float(predictions.losses.astype(np.float64).mean()),
        f"{prefix}_accuracy": float((predictions.classes == labels).mean()),
        f"{prefix}_top5_accuracy": float(predictions.in_top5.mean()),
    }


def subset_scores(predictions: Predictions, labels: np.ndarray, true_labels: np.ndarray) -> dict[str, float | None]:
    """Accuracies on the images whose label was kept and on those where it was changed; None without such images."""
    changed = labels != true_labels

    def share(right: np.ndarray, of: np.ndarray) -> float | None:
        return float(right[of].mean()) if of.any() else None

    return {
        "clean_subset_accuracy": share(predictions.classes == labels, ~changed),
        "corrupted_subset_accuracy": share(predictions.classes == labels, changed),
        "recovered_true_accuracy": share(predictions.classes == true_labels, changed),
    }
