"""Random streams: one for each purpose, so that the draws of one never change, or equal, those of another."""

from enum import Enum

import numpy as np


class Stream(Enum):
    """What a stream draws.

    Equal seeds in params.yaml give no two purposes the same bits, as all values differ. None is zero, as a seed
    sequence ignores zeros at its end.
    """

    INITIALISATION = 1
    ORDER = 2
    AUGMENTATION = 3
    DROPOUT = 4
    EVALUATED_IMAGES = 5
    TRAIN_SUBSET = 11
    TEST_SUBSET = 12
    TRAIN_LABELS = 13
    TEST_LABELS = 14
    SHUFFLED_PIXELS = 15
    TRAIN_PIXELS = 16
    TEST_PIXELS = 17


def generator(seed: int, stream: Stream, block: int = 0) -> np.random.Generator:
    """The generator of a stream, the same on every machine; `block` numbers the parts that are drawn in parallel."""
    return np.random.default_rng([seed, stream.value, block])


def stream_seed(seed: int, stream: Stream, epoch: int = 0) -> int:
    """The 63-bit seed of a stream in an epoch. Each epoch has its own: a longer run begins like a shorter one."""
    return int(np.random.SeedSequence([seed, stream.value, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1))
