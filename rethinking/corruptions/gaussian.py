"""Gaussian: every pixel drawn from a normal with the mean and variance of the image data set (paper, section 2.1).

Mean and variance are those of each colour channel over the cropped training images, before any normalisation. The
draws are kept as float16: uint8 would clip the 4% of CIFAR-10's that fall outside 0 to 255.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import special

from rethinking.core.arrays import ImageData
from rethinking.core.streams import Stream, generator
from rethinking.corruptions.common.pixels import (
    MAX_DEVIATION,
    Moments,
    as_images,
    as_pixels,
    blocks,
    cropped_pixels,
    findings,
    measure,
    measure_all,
)
from rethinking.corruptions.common.request import Request


def corrupt(data: ImageData, request: Request) -> dict[str, np.ndarray]:
    """Replace every image of both splits by noise of the training images' mean and variance."""
    pixels = cropped_pixels(data, request.input_size)
    target = measure(pixels["train_images"])
    streams = {"train_images": Stream.TRAIN_PIXELS, "test_images": Stream.TEST_PIXELS}
    return {
        name: as_images(draw(values.shape, target.mean, target.std, request.seed, streams[name]))
        for name, values in pixels.items()
    }


def draw(shape: tuple[int, ...], mean: np.ndarray, std: np.ndarray, seed: int, stream: Stream) -> np.ndarray:
    """Normal draws (N, pixels, C) float16 with mean and std (C,)."""
    noise = np.empty(shape, dtype=np.float16)

    def fill(number: int, block: np.ndarray) -> None:
        values = generator(seed, stream, number).standard_normal(block.shape, dtype=np.float32)
        values *= std.astype(np.float32)
        values += mean.astype(np.float32)
        block[...] = values

    # A generator for each block: the threads may finish in any order, the draws are the same.
    with ThreadPoolExecutor() as pool:
        list(pool.map(fill, itertools.count(), blocks(noise)))
    return noise


def audit(data: ImageData, changed: dict[str, np.ndarray], request: Request) -> dict:
    """The moments are the training images', the tails are not clipped, and no position remembers anything."""
    original = cropped_pixels(data, request.input_size)
    corrupted = {name: as_pixels(changed[name]) for name in original}
    before, after = measure_all(original), measure_all(corrupted)
    target = before["train_images"]
    changed_share = float((target.image_sums != after["train_images"].image_sums).any(axis=1).mean())
    checks = {
        "mean_and_variance_match": all(_moments_match(split, target) for split in after.values()),
        "tails_not_clipped": all(_tails_match(pixels, target) for pixels in corrupted.values()),
        "positions_are_independent": all(_positions_flat(split, target) for split in after.values()),
    }
    return findings(changed_share, before, after, checks)


def _moments_match(found: Moments, target: Moments) -> bool:
    count = len(found.image_sums) * len(found.position_sums)
    mean_error = np.abs(found.mean - target.mean) / (target.std / np.sqrt(count))
    std_error = np.abs(found.std - target.std) / (target.std / np.sqrt(2 * count))
    return bool(np.maximum(mean_error, std_error).max() < MAX_DEVIATION)


def _tails_match(pixels: np.ndarray, target: Moments) -> bool:
    """The share of draws below zero, which a clip would make none, against the normal's."""
    if pixels.dtype != np.float16:
        return False
    expected = special.ndtr(-target.mean / target.std).mean()
    below = sum(np.count_nonzero(block.view(np.int16) < 0) for block in blocks(pixels)) / pixels.size
    return bool(abs(below - expected) < MAX_DEVIATION * np.sqrt(expected / pixels.size) + 1 / pixels.size)


def _positions_flat(found: Moments, target: Moments) -> bool:
    images = len(found.image_sums)
    error = np.abs(found.position_sums - target.mean * images) / (target.std * np.sqrt(images))
    return bool(error.max() < MAX_DEVIATION)
