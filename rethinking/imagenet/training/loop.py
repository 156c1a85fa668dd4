"""A row's whole training: steps, evaluations, and checkpoints from which any number of processes goes on."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rethinking.core.curves import FITTED_ACCURACY, WINDOW_STEPS, first_fit, first_step_below
from rethinking.core.interrupts import Stopped
from rethinking.core.state import load_state, save_state
from rethinking.core.streams import Stream, generator
from rethinking.imagenet.common.config import Row, Train
from rethinking.imagenet.common.index import Index
from rethinking.imagenet.training.evaluation import predict, scores, subset_scores
from rethinking.imagenet.training.loader import Images, TrainingOrder, batches
from rethinking.imagenet.training.processes import Processes
from rethinking.imagenet.training.step import GroupStep


@dataclass
class Progress:
    """How far a run is: `step` steps into `epoch` (from 1), with the curves so far."""

    epoch: int = 1
    step: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def diverged(self) -> bool:
        """Whether a loss of the last epoch that was evaluated, as every one that diverges is, is not finite."""
        last = self.rows[-1] if self.rows else {}
        return not all(math.isfinite(last.get(name, 0.0)) for name in ("minibatch_loss", "train_loss", "test_loss"))


@dataclass(frozen=True)
class Watch:
    """What follows a training: whether to stop, and who hears of steps and rows."""

    stop_requested: Callable[[], bool] = lambda: False
    on_step: Callable[[int], None] = lambda steps: None
    on_row: Callable[[dict[str, Any]], None] = lambda row: None


class Training:
    """A network, the images of an index and the labels it learns, in one of several processes."""

    def __init__(
        self, model: nn.Module, index: Index, labels: np.ndarray, recipe: Train, row: Row, processes: Processes
    ):
        self.index, self.recipe, self.row, self.processes = index, recipe, row, processes
        device = processes.device
        self.labels = {"train": torch.tensor(labels, device=device), "test": torch.tensor(index.test.labels).to(device)}
        self.step = GroupStep(model, recipe, row, self.labels["train"], processes)
        chosen = generator(recipe.seed, Stream.EVALUATED_IMAGES).permutation(len(labels))[: recipe.evaluated_images]
        self.evaluated = np.sort(chosen)
        self.watch = Watch()

    def run(self, checkpoint: Path, checkpoint_every: int, watch: Watch) -> Progress:
        """Train from the checkpoint, if there is one, to the end; write it every so many steps.

        Raises Stopped, after saving.
        """
        progress, self.watch = self.load(checkpoint), watch
        for row in progress.rows:
            watch.on_row(row)
        try:
            if progress.step == self.step.steps_per_epoch:  # stopped in its evaluation
                self.end_epoch(progress)
            for pixels, numbers in self.batches_from(progress) if not progress.diverged else ():
                self.step.run(pixels, numbers, progress.epoch, progress.step, self.stop_if_requested)
                self.count(progress)
                watch.on_step((progress.epoch - 1) * self.step.steps_per_epoch + progress.step)
                epoch_ends = progress.step == self.step.steps_per_epoch
                if epoch_ends:
                    self.end_epoch(progress)
                if epoch_ends or progress.step % checkpoint_every == 0:
                    self.save(checkpoint, progress)
                if epoch_ends and progress.diverged:
                    break
        except Stopped:
            self.save(checkpoint, progress)
            raise
        return progress

    def stop_if_requested(self) -> None:
        """Raise Stopped where any of the processes was asked to stop; all come here as often, and all stop together."""
        if self.processes.any(self.watch.stop_requested()):
            raise Stopped

    def batches_from(self, progress: Progress) -> Any:
        """This process's images of every step that is left, of all epochs."""
        recipe = self.recipe
        seed = recipe.seed if self.row.has("augmentation") else None
        first, share = (progress.epoch, progress.step), self.step.share
        items = TrainingOrder(len(self.index.train), recipe.batch_size, recipe.seed, recipe.epochs, first, share)
        return batches(Images(self.index.train, recipe.input_size, seed), items, self.processes.workers)

    def count(self, progress: Progress) -> None:
        """Note a step, and the mean loss of its window where that is whole."""
        progress.step += 1
        width = min(WINDOW_STEPS, self.step.steps_per_epoch)
        done = progress.step
        if done % width == 0 or done == self.step.steps_per_epoch:
            losses = self.step.losses[(done - 1) // width * width : done].double()
            total = self.processes.sum(losses.sum()).item()
            steps = (progress.epoch - 1) * self.step.steps_per_epoch + done
            progress.windows.append({"step": steps, "loss": total / losses.numel()})

    def end_epoch(self, progress: Progress) -> None:
        """Evaluate where that is due, and begin the next epoch."""
        epoch, recipe = progress.epoch, self.recipe
        minibatch_loss = self.minibatch_loss()
        if epoch % recipe.evaluate_every == 0 or epoch == recipe.epochs or not math.isfinite(minibatch_loss):
            steps = epoch * self.step.steps_per_epoch
            row = {"epoch": epoch, "step": steps, "lr": self.step.rate_at(steps - 1), "minibatch_loss": minibatch_loss}
            row |= self.evaluate(self.step.averages)
            progress.rows = [*progress.rows, row]
            self.watch.on_row(row)
        progress.epoch, progress.step = epoch + 1, 0
        self.step.losses.zero_()

    def minibatch_loss(self) -> float:
        """The mean over the epoch's groups."""
        return self.processes.sum(self.step.losses.double().sum()).item() / self.step.losses.numel()

    def evaluate(self, weights: dict[str, Tensor], everything: bool = False) -> dict[str, Any]:
        """Losses and accuracies with these weights: of the test images and of the chosen, or all, training images.

        Raises Stopped.
        """
        self.step.take_statistics_from_first()
        model, settings, processes = self.step.model, self.recipe, self.processes
        train, test = self.index.train, self.index.test
        numbers = np.arange(len(train)) if everything else self.evaluated
        stop, all_tests = self.stop_if_requested, np.arange(len(test))
        on_train = predict(model, weights, train, self.labels["train"], numbers, settings, processes, stop)
        on_test = predict(model, weights, test, self.labels["test"], all_tests, settings, processes, stop)
        labels = self.labels["train"].cpu().numpy()[numbers]
        subsets = subset_scores(on_train, labels, train.labels[numbers])
        return {**scores("train", on_train, labels), **scores("test", on_test, test.labels), **subsets}

    def save(self, path: Path, progress: Progress) -> None:
        """Write the whole state, by the first process; the others wait."""
        losses = self.processes.sum(self.step.losses.clone())
        if self.processes.is_first:
            save_state(path, {**dict(self.step.tensors()), "losses": losses}, asdict(progress))
        self.processes.wait()

    def load(self, path: Path) -> Progress:
        """Bring every process to the state on disk, which may be that of another number of processes.

        The first process reads it, as others may be on machines that do not have it.
        """
        state = load_state(path) if self.processes.is_first else None
        tensors, values = state or ({}, {})
        with torch.no_grad():
            for name, tensor in self.step.tensors():
                if name in tensors:
                    tensor.copy_(tensors[name])
        values = self.processes.value_of_first(values)
        if values:
            self.processes.take_from_first(tensor for name, tensor in self.step.tensors() if name != "losses")
        return Progress(**values)


def summarise(progress: Progress, final: dict[str, Any]) -> dict[str, Any]:
    """The contract's keys: `final` is the last evaluation, on all images; the others follow from the curves."""
    best = max(progress.rows, key=lambda row: row["test_accuracy"])
    last = progress.rows[-1]
    fitted = not progress.diverged and final["train_accuracy"] >= FITTED_ACCURACY
    return {
        "epochs": last["epoch"],
        "steps": last["step"],
        **final,
        "fitted": fitted,
        "epochs_to_fit": first_fit(progress.rows) or (last["epoch"] if fitted else None),
        "steps_to_loss_0_1": first_step_below(progress.windows, 0.1),
        "steps_to_loss_0_01": first_step_below(progress.windows, 0.01),
        "best_test_accuracy": best["test_accuracy"],
        "best_test_top5_accuracy": max(row["test_top5_accuracy"] for row in progress.rows),
        "best_test_epoch": best["epoch"],
        "diverged": progress.diverged,
    }
