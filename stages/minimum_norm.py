"""Stage minimum_norm: gradient descent from zero finds the interpolant of least norm (paper, section 5)."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rethinking.core.arrays import open_dataset
from rethinking.core.errors import UsageError, run_stage
from rethinking.core.files import new_folder, seal, write_csv, write_json
from rethinking.theory.common import config as config_theory
from rethinking.theory.common.points import error_rate, one_hot, pixels
from rethinking.theory.minimum_norm import (
    draw_cosines,
    fit_random_signs,
    gradient_descent,
    invisible_part,
    least_squares_solution,
    minimum_norm_solution,
    stochastic_gradient_descent,
)


def main() -> None:
    """Measure the way to the least norm, interpolants of larger norms, and the fit of random signs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, required=True)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    theory = config_theory.load_theory(arguments.params)
    settings = theory.minimum_norm
    data = open_dataset(arguments.raw)
    if settings.train_size > len(data.train_images) or settings.features < settings.train_size:
        raise UsageError(
            f"theory.minimum_norm.train_size: found {settings.train_size}; at most theory.minimum_norm.features "
            f"({settings.features}) and the number of training images ({len(data.train_images)}) are allowed"
        )
    cpu, generator = torch.device("cpu"), torch.Generator().manual_seed(theory.seed)
    chosen = np.random.default_rng([theory.seed, 1]).permutation(len(data.train_images))[: settings.train_size]
    train_inputs, test_inputs = pixels(data.train_images[np.sort(chosen)], cpu), pixels(data.test_images, cpu)
    labels, test_labels = torch.tensor(data.train_labels[np.sort(chosen)]), torch.tensor(data.test_labels)
    cosines = draw_cosines(train_inputs.shape[1], settings.features, settings.bandwidth, generator)
    train, test, targets = cosines(train_inputs), cosines(test_inputs), one_hot(labels, data.classes)

    least = minimum_norm_solution(train, targets)
    start = torch.zeros_like(least)
    runs = {
        "gradient descent": gradient_descent(train, targets, start, settings.epochs),
        "stochastic gradient descent": stochastic_gradient_descent(
            train, targets, start, settings.epochs, settings.batch_size, generator
        ),
    }
    distances = [row for name, run in runs.items() for row in distance_rows(name, run, least)]
    extra = invisible_part(train, torch.randn(least.shape, dtype=torch.float64, generator=generator))
    interpolants = []
    for scale in settings.scales:
        weights = least + scale * least.norm() / extra.norm() * extra
        interpolants.append(
            {
                "norm": weights.norm().item(),
                "relative_residual": ((train @ weights - targets).norm() / targets.norm()).item(),
                "test_error": error_rate(test @ weights, test_labels),
            }
        )
    signs = []
    for count in settings.counts:
        narrow = draw_cosines(train_inputs.shape[1], count, settings.bandwidth, generator)
        complexity, accuracy = fit_random_signs(narrow(train_inputs), settings.draws, generator)
        fitted = least_squares_solution(narrow(train_inputs), targets)
        signs.append(
            {
                "features": count,
                "complexity": complexity.mean().item(),
                "complexity_std": complexity.std().item(),
                "random_label_accuracy": accuracy.mean().item(),
                "test_error": error_rate(narrow(test_inputs) @ fitted, test_labels),
            }
        )
    summary = {
        "dataset": data.name,
        "train_size": settings.train_size,
        "features": settings.features,
        "norm": least.norm().item(),
        "test_error": error_rate(test @ least, test_labels),
        "distance": {name: [row for row in distances if row["run"] == name][-1]["distance"] for name in runs},
    }
    with new_folder(arguments.out) as folder:
        write_json(folder / "result.json", summary)
        for name, rows in (("distances", distances), ("interpolants", interpolants), ("random_signs", signs)):
            write_csv(folder / f"{name}.csv", rows)
        seal(folder, {"data": data.fingerprint})


def distance_rows(name: str, run: Iterator[Tensor], least: Tensor) -> list[dict[str, Any]]:
    """The relative distance to the least-norm solution after 1, 2, 3, 4, 5, 6, 7, 8, 10, ... epochs and the last."""
    rows, wanted = [], 1
    for epoch, weights in enumerate(run, start=1):
        row = {"run": name, "epoch": epoch, "distance": ((weights - least).norm() / least.norm()).item()}
        if epoch >= wanted:
            rows.append(row)
            wanted = max(epoch + 1, round(1.15 * epoch))
    return rows if rows[-1] == row else [*rows, row]


if __name__ == "__main__":
    run_stage(main)
