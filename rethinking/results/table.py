"""What evaluate and collect write of many runs: one nested summary, one table."""

from typing import Any

from rethinking.core.config import Parameters, PlannedRun

Metrics = dict[str, Any]

# More runs of an architecture than this are not named one by one where they are missing.
MOST_NAMED = 8


def table(parameters: Parameters, collected: dict[PlannedRun, Metrics]) -> str:
    """A Markdown table, a line per run: corruption, accuracies in percent, and the epoch from which it fits."""
    width = max([15, *(len(_label(run, metrics)) for run, metrics in collected.items())])
    lines = [
        f"| {'architecture':<14} | {'corruption':<{width}} | {'train':>7} | {'test':>7} | fits from epoch |",
        f"| {'-' * 14} | {'-' * width} | {'-' * 6}: | {'-' * 6}: | {'-' * 14}: |",
    ]
    for run, metrics in collected.items():
        fits = "diverged" if metrics["diverged"] else metrics["epochs_to_fit"] or "never"
        lines.append(
            f"| {run.arch:<14} | {_label(run, metrics):<{width}} | {metrics['train_accuracy']:>7.2%} "
            f"| {metrics['test_accuracy']:>7.2%} | {fits:>15} |"
        )
    if missing := _missing(parameters, collected):
        lines += ["", f"Not run: {', '.join(missing)}."]
    return "\n".join(lines) + "\n"


def _missing(parameters: Parameters, collected: dict[PlannedRun, Metrics]) -> list[str]:
    """The runs that are not there, by name or, where an architecture lacks many or all, as their number."""
    planned: dict[str, list[PlannedRun]] = {}
    for run in parameters.planned_runs():
        planned.setdefault(run.arch, []).append(run)
    missing = []
    for arch, runs in planned.items():
        names = [run.name for run in runs if run not in collected]
        many = len(names) > MOST_NAMED or len(names) == len(runs) > 1
        missing += [f"{len(names)} of {len(runs)} runs of {arch}"] if many else names
    return missing


def _label(run: PlannedRun, metrics: Metrics) -> str:
    """The corruption as the grid names it, then what else sets the run apart."""
    kind, level = metrics["corruption"]["kind"], metrics["corruption"]["level"]
    label = f"{kind}-{level}" if level else kind
    if run.variant not in (None, "plain"):
        label += f" {run.variant}"
    return label if run.seed is None else f"{label} seed {run.seed}"
