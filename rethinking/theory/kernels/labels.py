"""True and random labels of images interpolated by one kernel (paper, section 5)."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rethinking.core.arrays import ImageData
from rethinking.theory.common import config
from rethinking.theory.common.points import error_rate, one_hot
from rethinking.theory.kernels.distances import Stored, feature_distances, pixel_distances
from rethinking.theory.kernels.features import GaborBank, RandomPatches, channels_first
from rethinking.theory.kernels.solve import Kernel, Trial, best, interpolate, search, squared_norms


def interpolate_labels(
    settings: config.Kernel, data: ImageData, seed: int, device: torch.device
) -> tuple[list[dict[str, Any]], list[Trial]]:
    """Choose the bandwidth on held-out training images, then solve on all, for true labels and for random ones.

    Where `settings` has ridges, true labels are solved a second time with the best of these. Returns one result for
    each labelling, and all that was tried. Raises DataError as `search` and `best` do.
    """
    generator = np.random.default_rng([seed, 2])
    order = generator.permutation(len(data.train_images))  # the search takes the first images
    random_labels = torch.from_numpy(generator.integers(0, data.classes, len(order))).to(device)
    labels = torch.tensor(data.train_labels[order], device=device)
    test_labels = torch.tensor(data.test_labels, device=device)

    distances = distances_between(settings, data, order, seed, device)
    trials = search(distances, labels, data.classes, settings, ridges=[0.0])
    both = {"true": labels, "random": random_labels}
    results = results_of(distances, best(trials), both, test_labels, data.classes)
    if settings.ridges:
        with_ridge = search(distances, labels, data.classes, settings, settings.ridges)
        results += results_of(distances, best(with_ridge), {"true": labels}, test_labels, data.classes)
        trials += with_ridge
    return results, trials


def distances_between(
    settings: config.Kernel, data: ImageData, order: np.ndarray, seed: int, device: torch.device
) -> Stored:
    """Distances between the images in this order: exact ones of pixels, of features in float32."""
    train, test = data.train_images[order], data.test_images
    if settings.gabor is not None:
        bank = GaborBank(**settings.gabor.model_dump())
        return feature_distances([(bank.features(train, device), bank.features(test, device))])
    if settings.random_patches is not None:
        patches = RandomPatches(**settings.random_patches.model_dump())
        generator = torch.Generator().manual_seed(seed)
        blocks = patches.blocks(channels_first(train, device), channels_first(test, device), generator)
        return feature_distances(with_progress(blocks, patches.block_count))
    return pixel_distances(torch.tensor(train, device=device).flatten(1), torch.tensor(test, device=device).flatten(1))


def with_progress(blocks: Iterable[tuple[Tensor, Tensor]], count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pass the blocks on; print how many of them are done, as many take hours on a CPU."""
    for number, block in enumerate(blocks, start=1):
        yield block
        print(f"{number} of {count} blocks of filters", flush=True)


def results_of(
    distances: Stored, chosen: Trial, labels: dict[str, Tensor], test_labels: Tensor, classes: int
) -> list[dict[str, Any]]:
    """One result for each labelling (n,) int64, by its name; all are solved with one factor."""
    kernel = Kernel(distances, chosen.bandwidth, chosen.ridge)
    solution = interpolate(kernel, torch.cat([one_hot(given, classes) for given in labels.values()], dim=1))
    test_values, norms = kernel.predictions(solution.coefficients), squared_norms(solution, chosen.ridge)
    train_values = solution.fitted - chosen.ridge * solution.coefficients
    results = []
    for number, (name, given) in enumerate(labels.items()):
        own = slice(number * classes, (number + 1) * classes)
        result = {
            "labels": name,
            "train_size": distances.train_size,
            "test_size": distances.test_size,
            "bandwidth": chosen.bandwidth,
            "ridge": chosen.ridge,
            "test_error": error_rate(test_values[:, own], test_labels),
            "train_accuracy": 1 - error_rate(train_values[:, own], given),
            "relative_residual": solution.residuals[own].max().item(),
            "steps": solution.steps,
            "norm": norms[own].sum().sqrt().item(),
            "class_norms": norms[own].clamp(min=0).sqrt().tolist(),
            "coefficient_norm": solution.coefficients[:, own].norm().item(),
        }
        print({key: result[key] for key in ("labels", "bandwidth", "test_error", "relative_residual", "norm")})
        results.append(result)
    return results
