"""The random streams of the data stages: what is drawn for one purpose never moves, or resembles, another's draws."""

from enum import Enum

import numpy as np


class Stream(Enum):
    """What a stream draws. No value is zero, as a seed sequence ignores zeros at its end, or one of a run's streams
    (stages/engine/recipe.py), so that equal seeds in params.yaml never give two purposes the same bits."""

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
