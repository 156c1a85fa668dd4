"""Runs as the collectors write them: a table of all of them, and with each its epochs and its windows of loss.

A grid's folder such as `metrics/cifar10` holds `runs.csv`, the headline's and the demo's `summary.json`, nested so that
`dvc metrics diff` lines up; beside it stand `curves.csv` and `steps.csv`. What has not run is absent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rethinking.core.errors import DataError
from rethinking.core.files import read_mapping, read_sealed, sha256_of
from rethinking.core.run_name import PLAIN, RunName, corruption_name
from rethinking.core.tables import read_table, records

# What the figures, the report and the comparison read of a run.
NEEDED = (
    "run kind level seed epochs steps train_accuracy test_accuracy fitted epochs_to_fit best_test_accuracy diverged "
    "clean_subset_accuracy corrupted_subset_accuracy recovered_true_accuracy"
).split()


@dataclass(frozen=True)
class Run:
    """A training run: its name, its final metrics, a row per evaluated epoch and one per window of loss."""

    name: RunName
    metrics: dict[str, Any]
    epochs: pd.DataFrame
    steps: pd.DataFrame

    @property
    def arch(self) -> str:
        """The architecture, as models/ names it."""
        return self.name.arch

    @property
    def corruption(self) -> str:
        """The corruption, such as `labels-0.5`."""
        return self.name.corruption or corruption_name(self.metrics["kind"], self.metrics["level"])

    @property
    def variant(self) -> str:
        """What sets the run's recipe apart, such as `weight_decay`."""
        return self.name.variant or PLAIN

    @property
    def seed(self) -> int:
        """The seed of initialisation, data order and augmentation."""
        return self.metrics["seed"]

    @property
    def level(self) -> float | None:
        """The share of labels drawn at random: 0 for true labels, None for corrupted pixels."""
        return {"none": 0.0, "labels": self.metrics["level"]}.get(self.metrics["kind"])

    @property
    def outcome(self) -> str:
        """`fitted`, `not fitted` or `diverged`."""
        if self.metrics["diverged"]:
            return "diverged"
        return "fitted" if self.metrics["fitted"] else "not fitted"


def has_final_test(metrics: Mapping[str, Any]) -> bool:
    """Whether a run's test accuracy is one to compare.

    It belongs to the end of the schedule, when the learning rate has fallen, which a run that ended as soon as it
    fitted did not reach. Where every label is random it is at chance at any time.
    """
    return not metrics.get("ended_when_fitted") or (metrics["kind"] == "labels" and metrics["level"] == 1)


def is_made_from(meta: Mapping[str, Any], recipe: Mapping[str, Any], data: str) -> bool:
    """Whether a run's meta.json names this recipe and data; as JSON, in which tuples are lists."""
    return meta["data"] == data and sha256_of(meta["recipe"]) == sha256_of(recipe)


def require_made_from(folder: Path, recipe: Mapping[str, Any], data: str) -> None:
    """Raise DataError where a run is damaged, or was made from another recipe or data than those it stands for."""
    if not is_made_from(read_sealed(folder), recipe, data):
        raise DataError(f"{folder} was made from other parameters or data; delete it and run `dvc repro`")


def remeasured_tolerance(images: int) -> float:
    """How far an accuracy measured again, of so many images, may be off, as another device rounds otherwise."""
    return max(0.002, 2 / max(images, 1))  # two images of a small set


def row_of(run: RunName, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """A run's metrics.json as a row of the table of runs, flat."""
    row: dict[str, Any] = {"run": run.text}
    for key, value in metrics.items():
        if key == "corruption":
            row |= {"kind": value["kind"], "level": value["level"], "corruption_seed": value["seed"]}
        else:
            row[key] = value
    return row


def nested(runs: Mapping[RunName, Mapping[str, Any]]) -> dict[str, Any]:
    """The summary of a pipeline by architecture; in the demo, below that by corruption and seed.

    The headline has no level in its keys, so that `dvc metrics diff` compares like with like when the level changes.
    """
    summary: dict[str, Any] = {}
    for run, metrics in runs.items():
        if run.corruption is None:
            summary[run.arch] = metrics
        else:
            summary.setdefault(run.arch, {}).setdefault(run.corruption, {})[f"seed-{metrics['seed']}"] = metrics
    return summary


def read_runs(path: Path) -> pd.DataFrame:
    """The table of runs in a `runs.csv` or a `summary.json`. Raises DataError, naming the file, where it is none."""
    table = read_table(path) if path.suffix == ".csv" else _flat(path)
    if missing := [key for key in NEEDED if key not in table and len(table)]:
        raise DataError(f"{path} has no '{missing[0]}'; make it again with `dvc repro` or `make report`")
    return table


def _flat(path: Path) -> pd.DataFrame:
    rows = []
    try:
        for arch, value in read_mapping(path).items():
            corruptions = {None: {"": value}} if "arch" in value else value
            for corruption, seeds in corruptions.items():
                rows += [row_of(RunName(arch, corruption), metrics) for metrics in seeds.values()]
    except (AttributeError, KeyError, TypeError):
        raise DataError(f"{path} is no summary of runs; make it again with `dvc repro`") from None
    return pd.DataFrame(rows)


def load_runs(folder: Path) -> list[Run]:
    """Every run in a folder of metrics, in the order of its table; none where there is no table.

    Raises DataError, naming the file, where it is not what a collector writes.
    """
    path = next((path for name in ("runs.csv", "summary.json") if (path := folder / name).exists()), None)
    table = pd.DataFrame() if path is None else read_runs(path)
    if not len(table):
        return []
    curves, steps = (by_run(folder / f"{name}.csv") for name in ("curves", "steps"))
    runs = []
    for row in records(table):
        try:
            name = RunName.parse(row["run"])
            runs.append(Run(name, row, curves[row["run"]], steps[row["run"]]))
        except (KeyError, ValueError) as error:
            why = "has no curves" if isinstance(error, KeyError) else "is no name of a run"
            raise DataError(f"{path}: '{row['run']}' {why}; make it again with `dvc repro` or `make report`") from None
    return runs


def by_run(path: Path) -> dict[str, pd.DataFrame]:
    """The rows of a table of curves, by their run. Raises DataError where it has no column `run`."""
    table = read_table(path)
    if "run" not in table:
        raise DataError(f"{path} has no column 'run'; make it again with `dvc repro` or `make report`")
    return dict(list(table.groupby("run", sort=False)))


def gather(folders: Mapping[RunName, Path], name: str) -> pd.DataFrame:
    """The table of that name in the folder of each run, one below the other behind a column `run`."""
    tables = []
    for run, folder in folders.items():
        tables.append(read_table(folder / f"{name}.csv"))
        tables[-1].insert(0, "run", run.text)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["run"])


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
