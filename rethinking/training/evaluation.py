"""Evaluation-mode accuracy and loss over a whole set, and the three memorisation numbers."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rethinking.models.parts.network import autocast
from rethinking.training.problem import Problem

# Images per forward pass: what fits a CPU's cache, or fills a GPU.
BATCH = {"cpu": 250, "cuda": 5000, "mps": 1000}


class BatchSize:
    """How many images a forward pass takes on a device; a run that has no memory for so many keeps what it came to."""

    def __init__(self, device: torch.device):
        self.images = BATCH[device.type]


@torch.inference_mode()
def predict(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    precision: str,
    poll: Callable[[], None] = lambda: None,
    batch: BatchSize | None = None,
) -> tuple[Tensor, Tensor]:
    """Predicted class (N,) int64 and cross-entropy (N,) float32 for inputs (N, H, W, C), in evaluation mode.

    `poll` is called between batches and may raise. `batch` is halved as often as the device's memory asks for.
    """
    batch = batch or BatchSize(inputs.device)
    wanted, found, start = batch.images, [], 0
    was_training = model.training
    model.eval()
    try:
        while start < len(inputs):
            poll()
            part = slice(start, start + batch.images)
            try:
                found.append(_predict_batch(model, inputs[part], labels[part], precision))
                start += batch.images
            except torch.OutOfMemoryError:
                if batch.images == 1:
                    raise
                batch.images //= 2
    finally:
        model.train(was_training)
    if batch.images < wanted:
        print(
            f"warning: no memory on the device to evaluate {wanted} images at a time; from now on {batch.images} are",
            file=sys.stderr,
            flush=True,
        )
    predictions, losses = zip(*found, strict=True)
    return torch.cat(predictions), torch.cat(losses)


def _predict_batch(model: nn.Module, images: Tensor, labels: Tensor, precision: str) -> tuple[Tensor, Tensor]:
    with autocast(images.device, precision):
        logits = model(images.permute(0, 3, 1, 2))
    return logits.argmax(dim=1), functional.cross_entropy(logits.float(), labels, reduction="none")


@dataclass(frozen=True)
class Predictions:
    """Predicted classes (N,) int64 and cross-entropies (N,) float32 of both splits."""

    train: Tensor
    train_losses: Tensor
    test: Tensor
    test_losses: Tensor


def predict_all(
    model: nn.Module,
    problem: Problem,
    precision: str,
    poll: Callable[[], None] = lambda: None,
    batch: BatchSize | None = None,
) -> Predictions:
    """Predict the whole train and test set, in evaluation mode; `poll` and `batch` as `predict` has them."""
    batch = batch or BatchSize(problem.train_labels.device)
    train = predict(model, problem.train_inputs, problem.train_labels, precision, poll, batch)
    test = predict(model, problem.test_inputs, problem.test_labels, precision, poll, batch)
    return Predictions(*train, *test)


def scores(problem: Problem, predictions: Predictions) -> dict[str, float | None]:
    """The accuracies (in [0, 1]) and losses of the contract, by their names there.

    Subset accuracies are None where there is no such subset; the corrupted subset is where the given label differs from
    the true one. Sums are in float64 on the CPU, as not every device has it.
    """
    given, true = problem.train_labels.cpu(), problem.train_true_labels.cpu()
    guesses = predictions.train.cpu()
    fits_given, fits_true = (guesses == given).double(), (guesses == true).double()
    corrupted = (given != true).double()
    clean = 1 - corrupted
    numbers = {
        "train_loss": predictions.train_losses.cpu().double().mean().item(),
        "train_accuracy": fits_given.mean().item(),
        "test_loss": predictions.test_losses.cpu().double().mean().item(),
        "test_accuracy": (predictions.test == problem.test_labels).cpu().double().mean().item(),
        "clean_subset_accuracy": ((fits_given * clean).sum() / clean.sum()).item(),
        "corrupted_subset_accuracy": ((fits_given * corrupted).sum() / corrupted.sum()).item(),
        "recovered_true_accuracy": ((fits_true * corrupted).sum() / corrupted.sum()).item(),
    }
    # The accuracy of an empty subset is 0/0. A loss that is not finite stays as it is.
    return {
        name: None if name.endswith("accuracy") and math.isnan(number) else number for name, number in numbers.items()
    }


def per_class_accuracy(predictions: Tensor, labels: Tensor, classes: int) -> list[float | None]:
    """The accuracy on the images of each class, None for a class without images."""
    totals = torch.bincount(labels, minlength=classes)
    right = torch.bincount(labels[predictions == labels], minlength=classes)
    return [hits / total if total else None for hits, total in zip(right.tolist(), totals.tolist(), strict=True)]
