"""Stage collect: the metrics and curves of every run of a grid that has run so far, and the audits of its data."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rethinking.core import config
from rethinking.core.arguments import path_parser
from rethinking.core.arrays import dataset_fingerprint
from rethinking.core.config import Parameters
from rethinking.core.errors import DataError, UsageError, run_stage
from rethinking.core.files import read_json, read_sealed, write_json, write_text
from rethinking.core.run_name import RunName
from rethinking.core.tables import write_table
from rethinking.core.workspace import checkpoint_file, checkpoints_of
from rethinking.results.runs import gather, is_made_from, row_of
from rethinking.results.table import table
from rethinking.training.recipe import description


def main() -> None:
    """Write runs.csv, curves.csv, steps.csv, audits.json and table.md, which lists what has not run."""
    arguments = path_parser(__doc__, "params", "data", "runs", "out").parse_args()
    parameters = config.load(*arguments.params)
    planned, sets = parameters.planned_runs(), read_sets(parameters, arguments.data)
    folders = {run: folder for run in planned if (folder := arguments.runs / run.text).exists()}
    found = {run: measured(parameters, run, folder, sets) for run, folder in folders.items()}
    collected = {run: metrics for run, metrics in found.items() if metrics}

    audits = {name: audit_of(arguments.data / name, sets[name]) for name in sorted(sets)}
    rows = [row_of(run, metrics) for run, metrics in collected.items()]
    write_table(arguments.out / "runs.csv", rows or pd.DataFrame(columns=["run"]))
    for name in ("curves", "steps"):
        write_table(arguments.out / f"{name}.csv", gather({run: folders[run] for run in collected}, name))
    write_json(arguments.out / "audits.json", audits)
    text = table(planned, collected)
    write_text(arguments.out / "table.md", text)
    for run in collected:
        if checkpoints_of(folders[run]):  # only then is it worth importing torch
            forget_checkpoints(parameters, run, folders[run])
    print(text, end="")


def forget_checkpoints(parameters: Parameters, run: RunName, folder: Path) -> None:
    """Delete the training states of a collected run, so that a forced re-run trains again.

    One by another recipe stays: it is of an experiment that may go on.
    """
    import torch

    from rethinking.training.run_key import run_key

    own, data = parameters.of_run(run), read_json(folder / "meta.json")["data"]
    for device in map(torch.device, ("cpu", "cuda", "mps")):  # it may have been trained on another machine
        checkpoint_file(folder, run_key(own, run.arch, data, device)).unlink(missing_ok=True)


def measured(
    parameters: Parameters, run: RunName, folder: Path, sets: dict[str, dict[str, Any]]
) -> dict[str, Any] | None:
    """A run's metrics with its arithmetic and how it ended; None where it was made from other parameters or data.

    Raises DataError where the folder holds another run than its name says, or is damaged.
    """
    meta, metrics = read_sealed(folder), read_json(folder / "metrics.json")
    require_planned(parameters, run, metrics, folder)
    if not is_current(parameters, run, meta, sets):
        print(f"{folder} was made from other parameters or data, so it is left out")
        return None
    recipe = meta["recipe"]["recipe"]
    ended_early = metrics["epochs"] < recipe["epochs"] and not metrics["diverged"]
    return metrics | {"precision": recipe["precision"], "ended_when_fitted": ended_early}


def read_sets(parameters: Parameters, folder: Path) -> dict[str, dict[str, Any]]:
    """The meta.json of every corrupted set of the grid that is there, by name; audit and labels are checked with it."""
    if parameters.paper is None:
        raise UsageError("paper: missing; expected the grid's parameters, paper/params.yaml, behind --params")
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


def is_current(parameters: Parameters, run: RunName, meta: dict[str, Any], sets: dict[str, dict[str, Any]]) -> bool:
    """Whether a run was made with the recipe that the parameters say now, on the data that lie there now."""
    recipe = description(parameters.of_run(run), run.arch)
    data = sets.get(run.corruption or "")
    return is_made_from(meta, recipe, dataset_fingerprint(data) if data else meta["data"])


def require_planned(parameters: Parameters, run: RunName, metrics: dict[str, Any], folder: Path) -> None:
    """Raise DataError where a folder holds another run than its name says."""
    corruption = parameters.corruption(run.corruption)
    planned = (run.arch, run.seed, corruption.kind, corruption.level)
    found = (metrics["arch"], metrics["seed"], metrics["corruption"]["kind"], metrics["corruption"]["level"])
    if found != planned:
        raise DataError(f"{folder}/metrics.json is of {found}; expected {planned}; run `dvc repro` to make it again")


if __name__ == "__main__":
    run_stage(main)
