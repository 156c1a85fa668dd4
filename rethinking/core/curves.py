"""What the curves of a run say: when it fits its training set, and when its loss has fallen."""

from typing import Any

# A run counts as fitted from the first epoch whose evaluation-mode train accuracy reaches this.
FITTED_ACCURACY = 0.999
# Mini-batch losses are averaged over windows of so many steps (the resolution of figure 1a), or of an epoch if shorter.
WINDOW_STEPS = 100


def first_fit(rows: list[dict[str, Any]]) -> int | None:
    """The first evaluated epoch of a fit, among the rows of all; None where there is none."""
    return next((row["epoch"] for row in rows if row["train_accuracy"] >= FITTED_ACCURACY), None)


def first_step_below(windows: list[dict[str, Any]], loss: float) -> int | None:
    """The last step of the first window whose mean mini-batch loss is at most `loss`; None where there is none."""
    return next((window["step"] for window in windows if window["loss"] <= loss), None)
