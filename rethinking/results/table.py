"""The table of a pipeline's runs that people read: corruption, accuracies, and the epoch from which a run fits."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from rethinking.core.run_name import PLAIN, RunName, corruption_name
from rethinking.core.tables import markdown

# More runs of an architecture than this are not named one by one where they are missing.
MOST_NAMED = 8


def table(planned: Sequence[RunName], collected: Mapping[RunName, Mapping[str, Any]]) -> str:
    """A Markdown table with a line per run, and below it what has not run."""
    rows = [
        {
            "architecture": run.arch,
            "corruption": _label(run, metrics),
            "train": f"{metrics['train_accuracy']:.2%}",
            "test": f"{metrics['test_accuracy']:.2%}",
            "fits from epoch": "diverged" if metrics["diverged"] else metrics["epochs_to_fit"] or "never",
        }
        for run, metrics in collected.items()
    ]
    lines = [markdown(pd.DataFrame(rows).astype(str), text_columns=2)] if rows else []
    if missing := _missing(planned, collected):
        lines += [f"Not run: {', '.join(missing)}.\n"]
    return "\n".join(lines)


def _missing(planned: Sequence[RunName], collected: Mapping[RunName, Any]) -> list[str]:
    """The runs that are not there, by name or, where an architecture lacks many or all, as their number."""
    missing = []
    for arch in dict.fromkeys(run.arch for run in planned):
        runs = [run for run in planned if run.arch == arch]
        names = [run.text for run in runs if run not in collected]
        many = len(names) > MOST_NAMED or len(names) == len(runs) > 1
        missing += [f"{len(names)} of {len(runs)} runs of {arch}"] if many else names
    return missing


def _label(run: RunName, metrics: Mapping[str, Any]) -> str:
    """The corruption as the grid names it, then what else sets the run apart."""
    label = corruption_name(metrics["corruption"]["kind"], metrics["corruption"]["level"])
    if run.variant not in (None, PLAIN):
        label += f" {run.variant}"
    return label if run.seed is None else f"{label} seed {run.seed}"
