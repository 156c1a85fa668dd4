"""A whole training run: epochs of steps, evaluations between them, and checkpoints, which continue a stopped run."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from rethinking.core.curves import FITTED_ACCURACY, WINDOW_STEPS, first_fit, first_step_below
from rethinking.core.interrupts import Stopped
from rethinking.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from rethinking.training.evaluation import BatchSize, predict_all, scores
from rethinking.training.problem import Problem
from rethinking.training.recipe import Recipe
from rethinking.training.step import TrainingStep

# `stop_when_fitted` waits for this train loss too: the accuracy is reached long before the loss is small.
FITTED_LOSS = 0.01
# Every epoch is evaluated from the first whose mean mini-batch loss is below this, so that none misses the fit.
NEARLY_FITTED_LOSS = 0.2
# Epochs may take milliseconds. Checkpoints are then written less often, to take at most this share of the run's time.
CHECKPOINT_SHARE = 0.1


@dataclass(frozen=True)
class Outcome:
    """The curves of a run, a row for each evaluated epoch and the mean loss of each window of steps; if it diverged."""

    rows: list[dict[str, Any]]
    windows: list[dict[str, Any]]
    diverged: bool


def train(
    model: nn.Module,
    problem: Problem,
    recipe: Recipe,
    checkpoint: Path | None = None,
    checkpoint_every: int = 1,
    stop_requested: Callable[[], bool] = lambda: False,
    on_step: Callable[[int], None] = lambda steps: None,
    on_epoch: Callable[[dict[str, Any]], None] = lambda row: None,
    cuda_graph: bool = True,
) -> Outcome:
    """Train `model` in place. It goes on from `checkpoint` if that exists; every so many epochs it is written.

    `on_step` gets the number of steps taken so far, `on_epoch` the row of each evaluated epoch. A loss that is not
    finite ends the run as diverged. Raises Stopped, after saving, when `stop_requested` turns true.
    """
    model.train()
    step = TrainingStep(model, problem, recipe, cuda_graph)
    batch = BatchSize(step.device)
    progress = (load_checkpoint(checkpoint, step) if checkpoint else None) or Progress()
    saving = Saving(checkpoint, checkpoint_every)
    for row in progress.rows:
        on_epoch(row)

    def stop_if_requested() -> None:
        if stop_requested():
            saving.save(step, progress)
            raise Stopped

    while not is_over(progress, recipe):
        if progress.step == 0:
            step.begin_epoch(progress.epoch)
        while progress.step < step.steps_per_epoch:
            stop_if_requested()
            step.run(progress.step)
            progress.step += 1
            on_step((progress.epoch - 1) * step.steps_per_epoch + progress.step)
        epoch, losses, rows = progress.epoch, step.losses.tolist(), progress.rows
        minibatch_loss = math.fsum(losses) / len(losses)
        if is_evaluated(epoch, minibatch_loss, rows, recipe):
            rows = [*rows, evaluate_epoch(step, epoch, minibatch_loss, batch, stop_if_requested)]
            on_epoch(rows[-1])
        progress = Progress(epoch + 1, 0, rows, [*progress.step_losses, *losses])
        if saving.is_due(epoch) or is_over(progress, recipe):
            saving.save(step, progress)
    return Outcome(progress.rows, loss_windows(progress.step_losses, step.steps_per_epoch), diverged(progress))


def is_evaluated(epoch: int, minibatch_loss: float, rows: list[dict[str, Any]], recipe: Recipe) -> bool:
    """Whether an epoch gets a row: every so many do, the last, those from close to the fit on, and one that diverged.

    `minibatch_loss` is the mean over its steps; `rows` are those before it.
    """
    near = any(loss < NEARLY_FITTED_LOSS for loss in [minibatch_loss, *(row["minibatch_loss"] for row in rows)])
    due = epoch % recipe.evaluate_every == 0 or is_last(epoch, rows, recipe)
    return due or near or not math.isfinite(minibatch_loss)


def evaluate_epoch(
    step: TrainingStep, epoch: int, minibatch_loss: float, batch: BatchSize, poll: Callable[[], None]
) -> dict[str, Any]:
    """The row of an epoch whose steps are all taken; `poll` may raise meanwhile."""
    predictions = predict_all(step.compute_model, step.problem, step.recipe.precision, poll, batch)
    return {
        "epoch": epoch,
        "step": epoch * step.steps_per_epoch,
        "lr": step.recipe.lr_at(epoch),
        "minibatch_loss": minibatch_loss,
        **scores(step.problem, predictions),
    }


class Saving:
    """When a run's checkpoint is written: every so many epochs, and less often where that would take long."""

    def __init__(self, path: Path | None, every: int):
        self.path, self.every = path, every
        self.last_save, self.cost = time.monotonic(), 0.0

    def is_due(self, epoch: int) -> bool:
        return epoch % self.every == 0 and CHECKPOINT_SHARE * (time.monotonic() - self.last_save) >= self.cost

    def save(self, step: TrainingStep, progress: Progress) -> None:
        if self.path is not None:
            started = time.monotonic()
            save_checkpoint(self.path, step, progress)
            self.last_save = time.monotonic()
            self.cost = self.last_save - started


def is_over(progress: Progress, recipe: Recipe) -> bool:
    """Whether all epochs are done, a loss is not finite, or the run fitted `stop_when_fitted` epochs ago."""
    return is_last(progress.epoch - 1, progress.rows, recipe) or diverged(progress)


def is_last(epoch: int, rows: list[dict[str, Any]], recipe: Recipe) -> bool:
    """Whether a run that does not diverge ends with that epoch, of which `rows` may not have one yet."""
    if epoch >= recipe.epochs:
        return True
    if recipe.stop_when_fitted is None:
        return False
    fits = [r["epoch"] for r in rows if r["train_accuracy"] >= FITTED_ACCURACY and r["train_loss"] <= FITTED_LOSS]
    return any(epoch - fit >= recipe.stop_when_fitted for fit in fits)


def diverged(progress: Progress) -> bool:
    """Whether a loss of the run so far is not finite."""
    last = progress.rows[-1] if progress.rows else {}
    losses = [last.get("minibatch_loss", 0.0), last.get("train_loss", 0.0), last.get("test_loss", 0.0)]
    return not all(math.isfinite(loss) for loss in losses)


def loss_windows(step_losses: list[float], steps_per_epoch: int) -> list[dict[str, Any]]:
    """The mean mini-batch loss over each window of steps, beside the number of its last step."""
    windows = []
    width = min(WINDOW_STEPS, steps_per_epoch)
    for start in range(0, len(step_losses), width):
        window = step_losses[start : start + width]
        windows.append({"step": start + len(window), "loss": math.fsum(window) / len(window)})
    return windows


def summarise(outcome: Outcome) -> dict[str, Any]:
    """The contract's keys that follow from the curves: the last epoch's values, when it fitted, the best test epoch.

    Nothing is extrapolated: a threshold never reached is None.
    """
    last = outcome.rows[-1]
    names = ("train_accuracy", "train_loss", "test_accuracy", "test_loss")
    best = max(outcome.rows, key=lambda row: row["test_accuracy"])
    return {
        "epochs": last["epoch"],
        "steps": last["step"],
        **{name: last[name] for name in names},
        "fitted": not outcome.diverged and last["train_accuracy"] >= FITTED_ACCURACY,
        "epochs_to_fit": first_fit(outcome.rows),
        "steps_to_loss_0_1": first_step_below(outcome.windows, 0.1),
        "steps_to_loss_0_01": first_step_below(outcome.windows, 0.01),
        "best_test_accuracy": best["test_accuracy"],
        "best_test_epoch": best["epoch"],
        "clean_subset_accuracy": last["clean_subset_accuracy"],
        "corrupted_subset_accuracy": last["corrupted_subset_accuracy"],
        "recovered_true_accuracy": last["recovered_true_accuracy"],
        "diverged": outcome.diverged,
    }
