"""A summary of runs as `summary.json` holds it: nested mappings down to the metrics of a run, which name its `arch`."""

from collections.abc import Iterator, Mapping
from typing import Any

Metrics = Mapping[str, Any]


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
