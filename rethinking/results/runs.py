"""Results of a grid as the collectors write them: one object per run, with its metrics, epochs and loss windows.

A folder such as `metrics/paper` holds `summary.json` (architecture, corruption, variant, seed), `curves.csv` and
`steps.csv`. Runs that have not been run are absent, and so may be the whole folder.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rethinking.core.errors import DataError
from rethinking.core.files import read_csv, read_json

PLAIN = "plain"
# What the figures and the report read of a run's metrics.
NEEDED = (
    "corruption seed epochs steps train_accuracy test_accuracy fitted epochs_to_fit best_test_accuracy diverged "
    "clean_subset_accuracy corrupted_subset_accuracy recovered_true_accuracy"
).split()


@dataclass(frozen=True)
class Run:
    """A training run: its coordinates in the grid, its final metrics, a row per epoch and one per loss window."""

    name: str  # in curves.csv and in its DVC stage, such as `inception-labels-0.5-plain-0`
    arch: str
    corruption: str
    variant: str
    seed: int
    metrics: dict[str, Any]
    epochs: list[dict[str, Any]]
    steps: list[dict[str, Any]]

    @property
    def key(self) -> str:
        """Where the run stands in summary.json."""
        return f"{self.arch}.{self.corruption}.{self.variant}.seed-{self.seed}"

    @property
    def level(self) -> float | None:
        """The share of labels drawn at random: 0 for true labels, None for corrupted pixels."""
        kind = self.metrics["corruption"]["kind"]
        return {"none": 0.0, "labels": self.metrics["corruption"]["level"]}.get(kind)

    @property
    def outcome(self) -> str:
        """`fitted`, `not fitted` or `diverged`."""
        if self.metrics["diverged"]:
            return "diverged"
        return "fitted" if self.metrics["fitted"] else "not fitted"


def load_runs(folder: Path) -> list[Run]:
    """Every run in a folder of metrics, in the order of summary.json; none where there is no summary.

    Raises DataError, naming the file, where it is not what a collector writes.
    """
    path = folder / "summary.json"
    if not path.exists():
        return []
    try:
        summary = read_json(path)
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not valid JSON: {error}; collect it again with `dvc repro`") from None
    epochs, steps = (by_run(read_csv(folder / f"{name}.csv")) for name in ("curves", "steps"))
    runs = []
    for arch, corruptions in summary.items():
        for corruption, variants in corruptions.items():
            for variant, seeds in variants.items():
                for seed_key, metrics in seeds.items():
                    missing = [key for key in NEEDED if key not in metrics]
                    if missing:
                        where = f"{arch}.{corruption}.{variant}.{seed_key}"
                        raise DataError(f"{path}: {where} has no '{missing[0]}'; collect it again with `dvc repro`")
                    seed = int(seed_key.removeprefix("seed-"))
                    name = f"{arch}-{corruption}-{variant}-{seed}"
                    rows = epochs.get(name, []), steps.get(name, [])
                    runs.append(Run(name, arch, corruption, variant, seed, metrics, *rows))
    return runs


def select(runs: Iterable[Run], arch: str, corruption: str | None = None, variant: str = PLAIN) -> list[Run]:
    """The runs of an architecture and variant, all seeds; of one corruption, or of all."""
    return [r for r in runs if r.arch == arch and r.variant == variant and corruption in (None, r.corruption)]


def by_level(runs: Iterable[Run]) -> dict[float, list[Run]]:
    """Runs on labels by their level of corruption, ascending; a list holds the seeds."""
    levels: dict[float, list[Run]] = {}
    for run in runs:
        if run.level is not None:
            levels.setdefault(run.level, []).append(run)
    return dict(sorted(levels.items()))


Curves = dict[str, list[dict[str, Any]]]


def by_run(rows: list[dict[str, Any]]) -> Curves:
    """Rows grouped by their run."""
    groups: Curves = {}
    for row in rows:
        groups.setdefault(row["run"], []).append(row)
    return groups
