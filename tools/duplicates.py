"""Count images that stand twice in a data set, in the test set and the training set above all, byte for byte.

`python -m tools.duplicates data/raw`; images that differ in one pixel are different ones here.
"""

from collections import defaultdict
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rethinking.core.arguments import path_parser
from rethinking.core.arrays import open_dataset
from rethinking.core.errors import run_stage


class Duplicates(NamedTuple):
    """How many images are copies of another: test images of training images, some under another label, and so on."""

    test_in_train: int
    of_another_label: int
    within_train: int
    within_test: int


def main() -> None:
    """Print what a raw data set holds twice."""
    parser = path_parser(__doc__)
    parser.add_argument("raw", type=Path, help="the folder of a raw data set, such as data/raw")
    data = open_dataset(parser.parse_args().raw)
    found = count(data.train_images, data.train_labels, data.test_images, data.test_labels)
    print(
        f"{data.name}: {found.test_in_train} of {len(data.test_labels)} test images are training images too, "
        f"{found.of_another_label} of them under another label; {found.within_train} of {len(data.train_labels)} "
        f"training images and {found.within_test} test images are copies of an earlier one"
    )


def count(
    train_images: np.ndarray, train_labels: np.ndarray, test_images: np.ndarray, test_labels: np.ndarray
) -> Duplicates:
    """Count copies among images (N, H, W, C) with labels (N,)."""
    labels: dict[bytes, set[int]] = defaultdict(set)
    for image, label in zip(train_images, train_labels, strict=True):
        labels[_digest(image)].add(int(label))
    test = [_digest(image) for image in test_images]
    there = [(digest, int(label)) for digest, label in zip(test, test_labels, strict=True) if digest in labels]
    return Duplicates(
        test_in_train=len(there),
        of_another_label=sum(label not in labels[digest] for digest, label in there),
        within_train=len(train_images) - len(labels),
        within_test=len(test) - len(set(test)),
    )


def _digest(image: np.ndarray) -> bytes:
    return blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).digest()


if __name__ == "__main__":
    run_stage(main)
