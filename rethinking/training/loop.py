"""A whole training run: epochs of steps, an evaluation after each, checkpoints, and a stop that loses nothing."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from rethinking.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from rethinking.training.evaluation import predict_all, scores
from rethinking.training.problem import Problem
from rethinking.training.recipe import Recipe
from rethinking.training.step import TrainingStep

# A run counts as fitted from the first epoch whose evaluation-mode train accuracy reaches this.
FITTED_ACCURACY = 0.999
# `stop_when_fitted` waits for this train loss too: the accuracy is reached long before the loss is small.
FITTED_LOSS = 0.01
# Epochs may take milliseconds; checkpoints then wait, so as to take no more than this share of the run's time.
CHECKPOINT_SHARE = 0.1
# Mini-batch losses are averaged over windows of so many steps, figure 1a's resolution, or an epoch if shorter.
WINDOW_STEPS = 100


class Stopped(Exception):
    """The run was asked to stop; its state is on disk."""


@dataclass(frozen=True)
class Outcome:
    """The curves of a run: one row per epoch, the mean mini-batch loss per window of steps, and how it ended."""

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
) -> Outcome:
    """Train `model` in place, continuing from `checkpoint` where it exists, which is written every so many epochs.

    `on_step` gets the number of steps taken so far, `on_epoch` the epoch's row. A loss that is not finite ends the run
    as diverged. Raises Stopped, after saving, when `stop_requested` turns true.
    """
    model.train()
    step = TrainingStep(model, problem, recipe)
    progress = (load_checkpoint(checkpoint, step) if checkpoint else None) or Progress()
    for row in progress.rows:
        on_epoch(row)

    def stop_if_requested() -> None:
        if stop_requested():
            if checkpoint:
                save_checkpoint(checkpoint, step, progress)
            raise Stopped

    last_save, cost = time.monotonic(), 0.0
    while not is_over(progress, recipe):
        if progress.step == 0:
            step.begin_epoch(progress.epoch)
        while progress.step < step.steps_per_epoch:
            stop_if_requested()
            step.run(progress.step)
            progress.step += 1
            on_step((progress.epoch - 1) * step.steps_per_epoch + progress.step)
        losses = step.losses.tolist()
        row = {
            "epoch": progress.epoch,
            "step": progress.epoch * step.steps_per_epoch,
            "lr": recipe.lr_at(progress.epoch),
            "minibatch_loss": math.fsum(losses) / len(losses),
            **scores(problem, predict_all(model, problem, recipe.precision, stop_if_requested)),
        }
        progress = Progress(progress.epoch + 1, 0, [*progress.rows, row], [*progress.step_losses, *losses])
        on_epoch(row)
        started = time.monotonic()
        due = row["epoch"] % checkpoint_every == 0 and CHECKPOINT_SHARE * (started - last_save) >= cost
        if checkpoint and (due or is_over(progress, recipe)):
            save_checkpoint(checkpoint, step, progress)
            last_save = time.monotonic()
            cost = last_save - started
    return Outcome(progress.rows, loss_windows(progress.step_losses, step.steps_per_epoch), diverged(progress))


def is_over(progress: Progress, recipe: Recipe) -> bool:
    """Whether all epochs are done, a loss is not finite, or the run has fitted long enough ago to stop."""
    if progress.epoch > recipe.epochs or diverged(progress):
        return True
    if recipe.stop_when_fitted is None:
        return False
    fitted = [r["train_accuracy"] >= FITTED_ACCURACY and r["train_loss"] <= FITTED_LOSS for r in progress.rows]
    return any(fitted[: max(0, len(fitted) - recipe.stop_when_fitted)])


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
    fit_epochs = [row["epoch"] for row in outcome.rows if row["train_accuracy"] >= FITTED_ACCURACY]
    best = max(outcome.rows, key=lambda row: row["test_accuracy"])
    return {
        "epochs": last["epoch"],
        "steps": last["step"],
        **{name: last[name] for name in names},
        "fitted": not outcome.diverged and last["train_accuracy"] >= FITTED_ACCURACY,
        "epochs_to_fit": fit_epochs[0] if fit_epochs else None,
        "steps_to_loss_0_1": first_step_below(outcome.windows, 0.1),
        "steps_to_loss_0_01": first_step_below(outcome.windows, 0.01),
        "best_test_accuracy": best["test_accuracy"],
        "best_test_epoch": best["epoch"],
        "clean_subset_accuracy": last["clean_subset_accuracy"],
        "corrupted_subset_accuracy": last["corrupted_subset_accuracy"],
        "recovered_true_accuracy": last["recovered_true_accuracy"],
        "diverged": outcome.diverged,
    }


def first_step_below(windows: list[dict[str, Any]], loss: float) -> int | None:
    """The last step of the first window whose mean mini-batch loss is at most `loss`; None where there is none."""
    return next((window["step"] for window in windows if window["loss"] <= loss), None)
