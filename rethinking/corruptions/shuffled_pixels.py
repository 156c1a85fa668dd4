"""Shuffled pixels: ONE permutation of pixel positions for every image, train and test (paper, section 2.1)."""

import numpy as np

from rethinking.core.arrays import ImageData
from rethinking.core.streams import Stream, generator
from rethinking.corruptions.common.pixels import (
    Moments,
    as_images,
    as_pixels,
    cropped_pixels,
    findings,
    measure_all,
    share_changed,
)
from rethinking.corruptions.common.request import Request


def corrupt(data: ImageData, request: Request) -> dict[str, np.ndarray]:
    """Move the pixels of all images by one permutation; the channels of a pixel move together."""
    pixels = cropped_pixels(data, request.input_size)
    order = generator(request.seed, Stream.SHUFFLED_PIXELS).permutation(pixels["train_images"].shape[1])
    return {name: as_images(values.take(order, axis=1)) for name, values in pixels.items()}


def audit(data: ImageData, changed: dict[str, np.ndarray], request: Request) -> dict:
    """Every image keeps its own pixels, and one permutation explains train and test alike.

    The latter shows in the sums over images at each position: as a set they are the original's, train and test joined.
    """
    original = cropped_pixels(data, request.input_size)
    corrupted = {name: as_pixels(changed[name]) for name in original}
    before, after = measure_all(original), measure_all(corrupted)
    checks = {
        "each_image_keeps_its_pixels": all(after[name].keeps_pixels_of(before[name]) for name in before),
        "one_permutation_for_all": np.array_equal(_sorted_sums(before), _sorted_sums(after)),
        "no_rows_or_columns_survive": not any(map(np.array_equal, _lines(before), _lines(after))),
    }
    return findings(share_changed(original, corrupted), before, after, checks)


def _lines(moments: dict[str, Moments]) -> list[np.ndarray]:
    """The sorted sums of whole rows, and of whole columns: the original's where only these moved."""
    sums = as_images(moments["train_images"].position_sums[None])[0]
    return [np.sort(sums.sum(axis=axis), axis=0) for axis in (1, 0)]


def _sorted_sums(moments: dict[str, Moments]) -> np.ndarray:
    sums = np.concatenate([split.position_sums for split in moments.values()], axis=1)
    return sums[np.lexsort(sums.T)]
