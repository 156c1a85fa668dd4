"""No two purposes draw the same bits, whatever the seeds in params.yaml are."""

import itertools

import numpy as np

from rethinking.core.streams import Stream, generator, stream_seed
from tests.synthetic import label_data


def test_equal_seeds_give_every_stream_and_block_other_bits():
    places = list(itertools.product(Stream, range(3)))
    draws = {generator(0, stream, block).random(4).tobytes() for stream, block in places}
    draws |= {np.random.default_rng(stream_seed(0, stream, epoch)).random(4).tobytes() for stream, epoch in places}
    assert len(draws | {np.random.default_rng(0).random(4).tobytes()}) == 2 * len(places) + 1


def test_the_subset_tells_nothing_of_which_labels_are_redrawn():
    count = len(label_data().train_labels)
    chosen = np.argsort(generator(0, Stream.TRAIN_SUBSET).permutation(count))
    thresholds = generator(0, Stream.TRAIN_LABELS).random(count)
    assert abs(np.corrcoef(chosen, thresholds)[0, 1]) < 4 / count**0.5
