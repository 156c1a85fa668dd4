"""Random pixels: a DIFFERENT permutation of its own pixels for each image (paper, section 2.1)."""

import numpy as np

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
    measure_all,
    share_changed,
)
from rethinking.corruptions.common.request import Request


def corrupt(data: ImageData, request: Request) -> dict[str, np.ndarray]:
    """Permute each image's pixels independently; the channels of a pixel move together."""
    pixels = cropped_pixels(data, request.input_size)
    streams = {"train_images": Stream.TRAIN_PIXELS, "test_images": Stream.TEST_PIXELS}
    return {name: as_images(permute(values, generator(request.seed, streams[name]))) for name, values in pixels.items()}


def permute(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Permute the positions of each image, (N, pixels, C) uint8, by a permutation of its own."""
    permuted = np.empty_like(pixels)
    for source, target in zip(blocks(pixels), blocks(permuted), strict=True):
        whole_pixels = source.view(f"V{pixels.shape[2]}")[..., 0]
        target.view(whole_pixels.dtype)[..., 0] = random.permuted(whole_pixels, axis=1)
    return permuted


def audit(data: ImageData, changed: dict[str, np.ndarray], request: Request) -> dict:
    """Every image keeps its own pixels, and no position remembers anything: the mean over images is flat."""
    original = cropped_pixels(data, request.input_size)
    corrupted = {name: as_pixels(changed[name]) for name in original}
    before, after = measure_all(original), measure_all(corrupted)
    checks = {
        "each_image_keeps_its_pixels": all(after[name].keeps_pixels_of(before[name]) for name in before),
        "permutations_are_independent": all(_largest_deviation(split) < MAX_DEVIATION for split in after.values()),
    }
    return findings(share_changed(original, corrupted), before, after, checks)


def _largest_deviation(moments: Moments) -> float:
    """The largest distance of a position's sum over images from its expectation, in standard deviations."""
    size = len(moments.position_sums)
    variances = moments.image_squares / size - (moments.image_sums / size) ** 2
    expected = moments.image_sums.sum(axis=0) / size
    scale = np.sqrt(np.maximum(variances.sum(axis=0), 1e-9))
    return float(np.max(np.abs(moments.position_sums - expected) / scale))
