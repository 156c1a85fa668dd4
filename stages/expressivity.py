"""Stage expressivity: a two-layer network with 2n + d weights that fits anything (paper, section 4, Theorem 1)."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from rethinking.core.arrays import open_dataset
from rethinking.core.errors import UsageError, run_stage
from rethinking.core.files import new_folder, seal, write_csv, write_json
from rethinking.theory.common import config as config_theory
from rethinking.theory.common.device import exact_device
from rethinking.theory.expressivity import (
    DeepNetwork,
    TwoLayerNetwork,
    condition_number,
    deep_units,
    evaluate,
    project,
    random_direction,
    two_layer_units,
)


def main() -> None:
    """Fit random labels and real targets on more and more images, evaluate the networks, write what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, required=True)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    theory = config_theory.load_theory(arguments.params)
    settings, device = theory.expressivity, exact_device(theory.device)

    data = open_dataset(arguments.raw)
    images = np.concatenate([data.train_images, data.test_images]) if settings.test_images else data.train_images
    if max(settings.sizes) > len(images):
        raise UsageError(f"theory.expressivity.sizes: found {max(settings.sizes)}, but there are {len(images)} images")
    generator = np.random.default_rng([theory.seed, 0])
    order = generator.permutation(len(images))
    direction = random_direction(images[0].size, generator)
    labels = generator.integers(0, data.classes, len(images))
    targets = generator.standard_normal(len(images))

    rows: list[dict[str, Any]] = []
    for size in sorted(settings.sizes):
        chosen = np.sort(order[:size])
        part, given, real = images[chosen], labels[chosen], targets[chosen]
        projections = project(part, direction)
        network = TwoLayerNetwork(direction, two_layer_units(projections, given)).to(device)
        real_network = TwoLayerNetwork(direction, two_layer_units(projections, real)).to(device)
        row = {
            "points": size,
            "weights": sum(parameter.numel() for parameter in network.parameters()),
            "condition_number": condition_number(projections),
            "smallest_gap": float(np.diff(np.sort(projections)).min(initial=np.inf)),
            "largest_weight": network.weights.detach().abs().max().item(),
            **fit(evaluate(network, part, size), given, "label"),
            "target_residual": float(np.abs(evaluate(real_network, part, size) - real).max()),
            **fit(evaluate(network.float(), part, size), given, "float32_label"),
        }
        print(f"{size} points: accuracy {row['label_accuracy']:.2%}, residual {row['label_residual']:.1e}", flush=True)
        rows.append(row)

    deep = DeepNetwork(direction, deep_units(projections, given, settings.layers)).to(device)
    widest = -(-size // settings.layers) + 1
    deep_row = {
        "dataset": data.name,
        "train_size": size,
        "layers": settings.layers,
        "width": widest + 3,
        "weights": sum(parameter.numel() for parameter in deep.parameters()),
        **fit(evaluate(deep, part, widest), given, "label"),
        **fit(evaluate(deep.float(), part, widest), given, "float32_label"),
    }
    with new_folder(arguments.out) as folder:
        write_json(folder / "result.json", {"dataset": data.name, "train_size": size, **rows[-1], "deep": deep_row})
        write_csv(folder / "conditioning.csv", rows)
        seal(folder, {"data": data.fingerprint})


def fit(values: np.ndarray, labels: np.ndarray, name: str) -> dict[str, float]:
    """The share of labels that the network's values round to, and the largest difference from them."""
    accuracy, residual = np.mean(np.rint(values) == labels), np.abs(values - labels).max()
    return {f"{name}_accuracy": float(accuracy), f"{name}_residual": float(residual)}


if __name__ == "__main__":
    run_stage(main)
