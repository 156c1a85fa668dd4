"""Stage evaluate: measure each row again from its weights, check what it recorded, collect what Git keeps."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rethinking.core.arguments import path_parser
from rethinking.core.determinism import repeatable_kernels
from rethinking.core.errors import DataError, run_stage
from rethinking.core.files import read_json, write_json, write_text
from rethinking.core.run_name import RunName
from rethinking.core.tables import records, write_table
from rethinking.core.workspace import checkpoint_file
from rethinking.imagenet.common import config
from rethinking.imagenet.common.config import Parameters
from rethinking.imagenet.common.index import Index, open_index
from rethinking.imagenet.training import processes
from rethinking.imagenet.training.loader import reading
from rethinking.imagenet.training.loop import Training
from rethinking.imagenet.training.network import network, open_labels, run_fingerprint, run_key
from rethinking.imagenet.training.processes import Processes
from rethinking.models.parts.network import load_weights
from rethinking.results.runs import gather, remeasured_tolerance, require_made_from, row_of
from rethinking.results.table import table


def main() -> None:
    """Write runs.csv, curves.csv, steps.csv, audits.json and table.md, which lists what has not run."""
    arguments = path_parser(__doc__, "params", "index", "data", "runs", "out").parse_args()
    parameters = config.load(*arguments.params)
    place = processes.join(parameters.execution)
    repeatable_kernels(parameters.train.deterministic)
    index = open_index(arguments.index, parameters.dataset.path)

    folders = {row: folder for row in parameters.rows if (folder := arguments.runs / row).exists()}
    collected: dict[RunName, dict[str, Any]] = {}
    states: list[Path] = []  # checkpoints of the runs collected here; others may still be continued
    for row, folder in folders.items():
        labels, _ = open_labels(arguments.data / parameters.row(row).corruption, index)
        fingerprint = run_fingerprint(index, labels)
        collected[parameters.run(row)] = measured(parameters, row, folder, index, labels, fingerprint, place)
        states.append(checkpoint_file(folder, run_key(parameters, row, fingerprint, place.device)))
    table_of_runs = [row_of(run, metrics) for run, metrics in collected.items()]
    write_table(arguments.out / "runs.csv", table_of_runs or pd.DataFrame(columns=["run"]))
    for name in ("curves", "steps"):
        write_table(arguments.out / f"{name}.csv", gather(dict(zip(collected, folders.values(), strict=True)), name))
    corruptions = sorted({row.corruption for row in parameters.rows.values()})
    sizes = {"dataset": index.name, "train_size": len(index.train)}
    made = {name: arguments.data / name / "audit.json" for name in corruptions}
    audits = {name: sizes | read_json(path) for name, path in made.items() if path.exists()}
    write_json(arguments.out / "audits.json", audits)
    for state in states:
        state.unlink(missing_ok=True)
    text = table([parameters.run(row) for row in parameters.rows], collected)
    write_text(arguments.out / "table.md", text)
    print(text, end="")


def measured(
    parameters: Parameters, row: str, folder: Path, index: Index, labels: np.ndarray, fingerprint: str, place: Processes
) -> dict[str, Any]:
    """A row's metrics, once its weights have given the accuracies of its last epoch again.

    Raises DataError where they do not, or where the run was made from other parameters, images or labels.
    """
    require_made_from(folder, parameters.recipe(row), fingerprint)
    metrics = read_json(folder / "metrics.json")
    model = network(parameters.train, parameters.row(row), len(index.class_names))
    load_weights(model, folder / "model.safetensors", place.device)
    training = Training(model, index, labels, parameters.train, parameters.row(row), place)
    with reading():
        found = training.evaluate(training.step.parameters)
    last = records(gather({parameters.run(row): folder}, "curves"))[-1]
    for name, count in (("train_accuracy", len(training.evaluated)), ("test_accuracy", len(index.test))):
        if not np.isclose(found[name], last[name], rtol=0, atol=remeasured_tolerance(count)):
            raise DataError(f"{folder}/curves.csv ends with {name} {last[name]}, but its weights give {found[name]}")
    return metrics


if __name__ == "__main__":
    run_stage(main)
