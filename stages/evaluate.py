"""Stage evaluate: re-measure every run from its saved weights, check what it claimed, collect what Git keeps."""

import argparse
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model

from rethinking.core import config
from rethinking.core.arrays import ImageData, open_dataset
from rethinking.core.config import Parameters, PlannedRun
from rethinking.core.errors import DataError, run_stage
from rethinking.core.files import read_csv, read_json, read_sealed, sha256_of, write_csv, write_json, write_text
from rethinking.core.workspace import forget_checkpoints
from rethinking.results.summary import insert
from rethinking.results.table import table
from rethinking.training.device import select_device
from rethinking.training.evaluation import per_class_accuracy, predict_all, scores
from rethinking.training.problem import network, problem_of
from rethinking.training.recipe import description

# Another device rounds otherwise: accuracies measured again may differ by this, or by two images of a small set.
ACCURACY_TOLERANCE = 0.002
TOLERATED_IMAGES = 2


def main() -> None:
    """Write summary.json, table.md, curves.csv, steps.csv and per_class.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, nargs="+", default=[Path("params.yaml")])
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="the corrupted set, or the folder of a grid's sets")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    parameters = config.load(*arguments.params)
    device = select_device(parameters.train.device, parameters.train.deterministic)

    summary: dict[str, Any] = {}
    collected = {}
    tables: dict[str, list[dict[str, Any]]] = {"curves": [], "steps": [], "per_class": []}
    for run in parameters.planned_runs():
        folder = arguments.runs / run.name
        data = open_dataset(arguments.data / (run.corruption or ""), arguments.raw)
        metrics, per_class = measure(parameters, run, folder, data, device)
        collected[run] = metrics
        insert(summary, run, metrics)
        tables["per_class"] += [{"run": run.name, **row} for row in per_class]
        for name in ("curves", "steps"):
            tables[name] += [{"run": run.name, **row} for row in read_csv(folder / f"{name}.csv")]
    write_json(arguments.out / "summary.json", summary)
    for name, rows in tables.items():
        write_csv(arguments.out / f"{name}.csv", rows)
    for run in parameters.planned_runs():
        forget_checkpoints(arguments.runs / run.name)
    text = table(parameters, collected)
    write_text(arguments.out / "table.md", text)
    print(text, end="")


def measure(
    parameters: Parameters, run: PlannedRun, folder: Path, data: ImageData, device: torch.device
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A run's metrics, re-measured from its weights in evaluation mode, and its accuracy per class.

    Raises DataError where the weights do not give the accuracies that the run recorded.
    """
    require_made_from(read_sealed(folder), parameters, run, data, folder)
    metrics = read_json(folder / "metrics.json")
    model = network(parameters, run.arch, data).to(device)
    try:
        load_model(model, folder / "model.safetensors", device=str(device))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{folder}/model.safetensors does not fit {run.arch} ({error}); run `dvc repro`") from None
    problem = problem_of(parameters, run.arch, data, device)
    predictions = predict_all(model, problem, parameters.train.precision)
    found = scores(problem, predictions)
    sizes = _set_sizes(data)
    for name, value in found.items():
        recorded = metrics[name]
        tolerance = max(ACCURACY_TOLERANCE, TOLERATED_IMAGES / max(sizes.get(name, 1), 1))
        if name in sizes and abs((recorded or 0.0) - (value or 0.0)) > tolerance:
            raise DataError(f"{folder}/metrics.json has {name} {recorded}, but its weights give {value}")
    train = per_class_accuracy(predictions.train, problem.train_labels, data.classes)
    test = per_class_accuracy(predictions.test, problem.test_labels, data.classes)
    columns = zip(data.class_names, train, test, strict=True)
    return metrics | found, [{"class": name, "train_accuracy": a, "test_accuracy": b} for name, a, b in columns]


def require_made_from(
    meta: dict[str, Any], parameters: Parameters, run: PlannedRun, data: ImageData, folder: Path
) -> None:
    """Raise DataError where a run was made from another recipe or data set than those it stands for."""
    recipe = sha256_of(description(parameters, run.arch))
    if meta["data"] != data.fingerprint or sha256_of(meta["recipe"]) != recipe:
        raise DataError(f"{folder} was made from other parameters or data; delete it and run `dvc repro`")


def _set_sizes(data: ImageData) -> dict[str, int]:
    """How many images each accuracy is a mean over."""
    corrupted = int((data.train_labels != data.train_true_labels).sum())
    return {
        "train_accuracy": len(data.train_labels),
        "test_accuracy": len(data.test_labels),
        "clean_subset_accuracy": len(data.train_labels) - corrupted,
        "corrupted_subset_accuracy": corrupted,
        "recovered_true_accuracy": corrupted,
    }


if __name__ == "__main__":
    run_stage(main)
