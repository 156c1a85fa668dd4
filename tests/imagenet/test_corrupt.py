"""Random labels of images, some of which are the same: what a network could at most learn of them."""

from pathlib import Path

import numpy as np

from rethinking.imagenet.common.index import RECORD, Split
from stages.imagenet.corrupt import largest_train_accuracy


def test_of_images_with_equal_bytes_only_those_with_the_most_frequent_label_can_be_learned():
    records = np.zeros(7, dtype=[*RECORD, ("name", "S1")])
    records["sha256"][2:6] = 1
    records["sha256"][6] = 2
    split = Split("train", records, Path("images"), [], ["a", "b", "c"])
    # Two equal images with two labels, four with one label three times, and one alone.
    assert largest_train_accuracy(split, np.array([0, 1, 2, 2, 0, 2, 1])) == (1 + 3 + 1) / 7
    assert largest_train_accuracy(split, np.array([1, 1, 2, 2, 2, 2, 1])) == 1
