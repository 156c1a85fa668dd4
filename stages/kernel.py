"""Stage kernel: exact Gaussian-kernel interpolation of true and of random labels (paper, section 5)."""

import argparse
import resource
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rethinking.core.arrays import ImageData, open_dataset
from rethinking.core.errors import UsageError, run_stage
from rethinking.core.files import new_folder, seal, write_csv, write_json
from rethinking.core.registry import did_you_mean
from rethinking.theory.common import config as config_theory
from rethinking.theory.common.device import exact_device
from rethinking.theory.common.points import error_rate, one_hot
from rethinking.theory.kernels.distances import Stored, accumulate, of_pixels
from rethinking.theory.kernels.features import GaborBank, RandomPatches, channels_first
from rethinking.theory.kernels.solve import Kernel, Trial, best, interpolate, search, squared_norms


def main() -> None:
    """Choose the bandwidth on held-out training images, solve on all of them, write errors, residuals and norms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, required=True)
    parser.add_argument("--name", required=True, help="a kernel of theory.kernel")
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    theory = config_theory.load_theory(arguments.params)
    if arguments.name not in theory.kernel:
        raise UsageError(f"theory.kernel: no kernel '{arguments.name}'{did_you_mean(arguments.name, theory.kernel)}")
    settings, device = theory.kernel[arguments.name], exact_device(theory.device)
    data = open_dataset(arguments.raw)
    generator = np.random.default_rng([theory.seed, 2])
    order = generator.permutation(len(data.train_images))  # the search takes the first images
    random_labels = torch.from_numpy(generator.integers(0, data.classes, len(order))).to(device)
    labels, test_labels = (torch.tensor(each, device=device) for each in (data.train_labels[order], data.test_labels))

    started = time.perf_counter()
    distances = distances_of(settings, data, order, theory.seed, device)
    results, trials = [], []
    for ridges in filter(None, ([0.0], settings.ridges)):
        tried = search(
            *(distances, labels, data.classes, settings.bandwidths, ridges, settings.search_size, settings.held_out)
        )
        chosen = best(tried)
        trials += tried
        names = {"true": labels} | ({} if chosen.ridge else {"random": random_labels})
        results += results_of(distances, chosen, names, test_labels, data.classes)
    with new_folder(arguments.out) as folder:
        write_json(
            folder / "result.json",
            [{"dataset": data.name, "features": arguments.name, **result} for result in results],
        )
        write_csv(folder / "search.csv", [trial._asdict() for trial in trials])
        seal(folder, {"data": data.fingerprint})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{arguments.out}: {time.perf_counter() - started:.0f} s, peak memory {peak:.1f} GiB")


def distances_of(
    settings: config_theory.Kernel, data: ImageData, order: np.ndarray, seed: int, device: torch.device
) -> Stored:
    """Distances between the images in this order: exact ones of pixels, of features in float32."""
    train, test = data.train_images[order], data.test_images
    if settings.gabor is not None:
        gabor = settings.gabor
        bank = GaborBank(gabor.orientations, tuple(gabor.wavelengths), gabor.pool)
        return accumulate([(bank.features(train, device), bank.features(test, device))])
    if settings.random_patches is not None:
        patches = RandomPatches(**settings.random_patches.model_dump())
        generator = torch.Generator().manual_seed(seed)
        blocks = patches.blocks(channels_first(train, device), channels_first(test, device), generator)
        return accumulate(with_progress(blocks, patches.block_count))
    train_points, test_points = (torch.tensor(images, device=device).flatten(1) for images in (train, test))
    return of_pixels(train_points, test_points)


def with_progress(blocks: Iterable[tuple[Tensor, Tensor]], count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pass the blocks on; say how many of them are done, as many take hours on a CPU."""
    for number, block in enumerate(blocks, start=1):
        yield block
        print(f"{number} of {count} blocks of filters", flush=True)


def results_of(
    distances: Stored, chosen: Trial, labels: dict[str, Tensor], test_labels: Tensor, classes: int
) -> list[dict[str, Any]]:
    """One result for each labelling; all are solved with one factor."""
    kernel = Kernel(distances, chosen.bandwidth, chosen.ridge)
    solution = interpolate(kernel, torch.cat([one_hot(given, classes) for given in labels.values()], dim=1))
    values, norms = kernel.predictions(solution.coefficients), squared_norms(solution, chosen.ridge)
    results = []
    for number, (name, given) in enumerate(labels.items()):
        own = slice(number * classes, (number + 1) * classes)
        result = {
            "labels": name,
            "train_size": distances.train_size,
            "test_size": distances.test_size,
            "bandwidth": chosen.bandwidth,
            "ridge": chosen.ridge,
            "test_error": error_rate(values[:, own], test_labels),
            "train_accuracy": 1
            - error_rate(solution.fitted[:, own] - chosen.ridge * solution.coefficients[:, own], given),
            "relative_residual": solution.residuals[own].max().item(),
            "steps": solution.steps,
            "norm": norms[own].sum().sqrt().item(),
            "class_norms": norms[own].clamp(min=0).sqrt().tolist(),
            "coefficient_norm": solution.coefficients[:, own].norm().item(),
        }
        print({key: result[key] for key in ("labels", "bandwidth", "test_error", "relative_residual", "norm")})
        results.append(result)
    return results


if __name__ == "__main__":
    run_stage(main)
