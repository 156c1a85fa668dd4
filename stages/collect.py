"""Stage collect: the metrics and curves of every run of a grid that has run so far, and the audits of its data."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from rethinking.core import config
from rethinking.core.arrays import dataset_fingerprint
from rethinking.core.config import Parameters, PlannedRun
from rethinking.core.errors import DataError, run_stage
from rethinking.core.files import read_csv, read_json, read_sealed, sha256_of, write_csv, write_json, write_text
from rethinking.core.workspace import forget_checkpoints
from rethinking.results.summary import insert
from rethinking.results.table import table
from rethinking.training.recipe import description


def main() -> None:
    """Write summary.json, curves.csv, steps.csv, audits.json and table.md, which lists what has not run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, nargs="+", required=True)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the grid's corrupted sets")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    parameters = config.load(*arguments.params)

    summary: dict[str, Any] = {}
    tables: dict[str, list[dict[str, Any]]] = {"curves": [], "steps": []}
    collected = {}
    sets = read_sets(parameters, arguments.data)
    for run in parameters.planned_runs():
        folder = arguments.runs / run.name
        if not folder.exists():
            continue
        meta, metrics = read_sealed(folder), read_json(folder / "metrics.json")
        require_planned(parameters, run, metrics, folder)
        if not is_current(parameters, run, meta, sets):
            print(f"{folder} was made from other parameters or data, so it is left out")
            continue
        recipe = meta["recipe"]["recipe"]
        metrics |= {"precision": recipe["precision"]}
        if recipe["stop_when_fitted"] is not None and metrics["epochs"] < recipe["epochs"]:
            metrics |= {"ended_when_fitted": True}
        collected[run] = metrics
        insert(summary, run, metrics)
        for name, rows in tables.items():
            rows += [{"run": run.name, **row} for row in read_csv(folder / f"{name}.csv")]
        forget_checkpoints(folder)
    audits = {name: audit_of(arguments.data / name, sets[name]) for name in sorted(sets)}
    write_json(arguments.out / "summary.json", summary)
    write_json(arguments.out / "audits.json", audits)
    for name, rows in tables.items():
        write_csv(arguments.out / f"{name}.csv", rows)
    text = table(parameters, collected)
    write_text(arguments.out / "table.md", text)
    print(text, end="")


def read_sets(parameters: Parameters, folder: Path) -> dict[str, dict[str, Any]]:
    """The meta.json of every corrupted set of the grid that is there, by name; audit and labels are checked with it."""
    assert parameters.paper is not None
    names = parameters.paper.corruptions[parameters.dataset.name]
    return {
        name: read_sealed(folder / name, only=["audit.json", "train_labels.npy"])
        for name in names
        if (folder / name).exists()
    }


def audit_of(folder: Path, meta: dict[str, Any]) -> dict[str, Any]:
    """What the audit of a corrupted set found, with the data set's name and the number of its training images."""
    labels = np.load(folder / "train_labels.npy", mmap_mode="r")
    return {"dataset": meta["dataset"], "train_size": len(labels), **read_json(folder / "audit.json")}


def is_current(parameters: Parameters, run: PlannedRun, meta: dict[str, Any], sets: dict[str, dict[str, Any]]) -> bool:
    """Whether a run was made with the recipe that the parameters say now, on the data that lie there now."""
    recipe = description(parameters.of_run(run), run.arch)
    data = sets.get(run.corruption or "")
    return sha256_of(meta["recipe"]) == sha256_of(recipe) and (
        data is None or meta["data"] == dataset_fingerprint(data)
    )


def require_planned(parameters: Parameters, run: PlannedRun, metrics: dict[str, Any], folder: Path) -> None:
    """Raise DataError where a folder holds another run than its name says."""
    corruption = parameters.corruption(run.corruption)
    planned = (run.arch, run.seed, corruption.kind, corruption.level)
    found = (metrics["arch"], metrics["seed"], metrics["corruption"]["kind"], metrics["corruption"]["level"])
    if found != planned:
        raise DataError(f"{folder}/metrics.json is of {found}; expected {planned}; run `dvc repro` to make it again")


if __name__ == "__main__":
    run_stage(main)
