"""A summary of runs as `summary.json` holds it: nested mappings down to the metrics of a run, which name its `arch`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rethinking.core.config import PlannedRun
from rethinking.core.errors import DataError
from rethinking.core.files import read_mapping

Metrics = Mapping[str, Any]


def read_summary(path: Path) -> dict[str, Any]:
    """Read a summary. Raises DataError, naming the file, where it is not one."""
    summary = read_mapping(path)
    try:
        list(runs_of(summary))
    except (AttributeError, TypeError):
        raise DataError(f"{path} is no summary of runs; make it again with `dvc repro` or `make report`") from None
    return summary


def runs_of(summary: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Metrics]]:
    """Every run of a summary, by its path such as `alexnet/none/seed-0`."""
    for key, value in summary.items():
        if "arch" in value:
            yield path + key, value
        else:
            yield from runs_of(value, f"{path}{key}/")


def merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Add the runs of another summary; a run of both is the other's from then on."""
    for key, value in other.items():
        if "arch" in value:
            into[key] = value
        else:
            merge(into.setdefault(key, {}), value)


def insert(summary: dict[str, Any], run: PlannedRun, metrics: Metrics) -> None:
    """Place a run's metrics by architecture; in a grid, below that by corruption, variant where it has one, and seed.

    The headline has no level in its keys, so that `dvc metrics diff` compares like with like when the level changes.
    """
    *path, last = _path(run, metrics)
    for key in path:
        summary = summary.setdefault(key, {})
    summary[last] = metrics


def _path(run: PlannedRun, metrics: Metrics) -> list[str]:
    if run.corruption is None:
        return [run.arch]
    return [part for part in (run.arch, run.corruption, run.variant, f"seed-{metrics['seed']}") if part]
