"""Stage evaluate: re-measure every run from its saved weights, check what it claimed, collect what Git keeps."""

from pathlib import Path
from typing import Any

import torch

from rethinking.core import config
from rethinking.core.arguments import path_parser
from rethinking.core.arrays import ImageData, open_dataset
from rethinking.core.config import Parameters
from rethinking.core.errors import DataError, run_stage
from rethinking.core.files import read_json, write_json, write_text
from rethinking.core.run_name import RunName
from rethinking.core.tables import write_table
from rethinking.core.workspace import checkpoint_file
from rethinking.models.parts.network import load_weights
from rethinking.results.runs import gather, nested, remeasured_tolerance, require_made_from
from rethinking.results.table import table
from rethinking.training.device import select_device
from rethinking.training.evaluation import per_class_accuracy, predict_all, scores
from rethinking.training.problem import network, problem_of
from rethinking.training.recipe import description
from rethinking.training.run_key import run_key


def main() -> None:
    """Write summary.json, table.md, curves.csv, steps.csv and per_class.csv."""
    parser = path_parser(__doc__, "params", "raw", "runs", "out")
    parser.add_argument("--data", type=Path, required=True, help="the corrupted set, or the folder of a grid's sets")
    arguments = parser.parse_args()
    parameters = config.load(*arguments.params)
    device = select_device(parameters.train.device, parameters.train.deterministic)

    collected: dict[RunName, dict[str, Any]] = {}
    per_class: list[dict[str, Any]] = []
    states: list[Path] = []  # a forced re-run is to train again; those of other parameters may still be continued
    folders = {run: arguments.runs / run.text for run in parameters.planned_runs()}
    for run, folder in folders.items():
        data = open_dataset(arguments.data / (run.corruption or ""), arguments.raw)
        collected[run], classes = measure(parameters, run, folder, data, device)
        per_class += [{"run": run.text, **row} for row in classes]
        states.append(checkpoint_file(folder, run_key(parameters, run.arch, data.fingerprint, device)))
    write_json(arguments.out / "summary.json", nested(collected))
    for name in ("curves", "steps"):
        write_table(arguments.out / f"{name}.csv", gather(folders, name))
    write_table(arguments.out / "per_class.csv", per_class)
    for state in states:
        state.unlink(missing_ok=True)
    text = table([*folders], collected)
    write_text(arguments.out / "table.md", text)
    print(text, end="")


def measure(
    parameters: Parameters, run: RunName, folder: Path, data: ImageData, device: torch.device
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A run's metrics, re-measured from its weights in evaluation mode, and its accuracy per class.

    Raises DataError where the weights do not give the accuracies that the run recorded.
    """
    require_made_from(folder, description(parameters, run.arch), data.fingerprint)
    metrics = read_json(folder / "metrics.json")
    model = load_weights(network(parameters, run.arch, data), folder / "model.safetensors", device)
    problem = problem_of(parameters, run.arch, data, device)
    predictions = predict_all(model, problem, parameters.train.precision)
    found = scores(problem, predictions)
    for name, images in _set_sizes(data).items():
        recorded, value = metrics[name], found[name]
        if abs((recorded or 0.0) - (value or 0.0)) > remeasured_tolerance(images):
            raise DataError(f"{folder}/metrics.json has {name} {recorded}, but its weights give {value}")
    train = per_class_accuracy(predictions.train, problem.train_labels, data.classes)
    test = per_class_accuracy(predictions.test, problem.test_labels, data.classes)
    columns = zip(data.class_names, train, test, strict=True)
    return metrics | found, [{"class": name, "train_accuracy": a, "test_accuracy": b} for name, a, b in columns]


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
