"""A data set before any corruption, and its seeded, class-balanced subsets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rethinking.core.errors import UsageError
from rethinking.core.streams import Stream, generator


@dataclass(frozen=True)
class RawData:
    """Images (N, H, W, C) uint8, labels (N,) int64 and where they came from.

    `name` says which bytes they are: `cifar10` is the official archive, `cifar10-jpeg` a copy as JPEG files.
    `source_path` is the archive or folder that they were read from, None for embedded data. `passed_over` counts the
    files among the images that tools left there, by the name that gives them away.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: list[str]
    name: str
    source_kind: str
    source_path: Path | None = None
    passed_over: Mapping[str, int] = field(default_factory=dict)

    def subset(self, train_size: int | None, test_size: int | None, seed: int) -> "RawData":
        """Return `train_size` and `test_size` images in their original order, as many of each class; None keeps all.

        Raises UsageError where a class has too few images.
        """
        train, test = balanced_subsets(self.train_labels, self.test_labels, train_size, test_size, seed, self.name)
        return replace(
            self,
            train_images=self.train_images[train],
            train_labels=self.train_labels[train],
            test_images=self.test_images[test],
            test_labels=self.test_labels[test],
        )


def balanced_subsets(
    train_labels: np.ndarray,
    test_labels: np.ndarray,
    train_size: int | None,
    test_size: int | None,
    seed: int,
    name: str,
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers, ascending, of so many training and test images of a data set, as many of each class; None keeps all.

    Raises UsageError where a class has too few images.
    """
    train = _balanced(train_labels, train_size, generator(seed, Stream.TRAIN_SUBSET), "dataset.train_size", name)
    test = _balanced(test_labels, test_size, generator(seed, Stream.TEST_SUBSET), "dataset.test_size", name)
    return train, test


def _balanced(labels: np.ndarray, size: int | None, random: np.random.Generator, key: str, name: str) -> np.ndarray:
    if size is None:
        return np.arange(len(labels))
    counts = np.bincount(labels)
    classes = len(counts)
    wanted = [size // classes + (label < size % classes) for label in range(classes)]
    if any(want > count for want, count in zip(wanted, counts, strict=True)):
        # The first classes get one more image each where the size is no multiple of their number.
        most = counts.min() * classes + counts.argmin()
        raise UsageError(f"{key}: found {size}, but a class-balanced choice of {name} has at most {most}")
    shuffled = random.permutation(len(labels))
    chosen = [shuffled[labels[shuffled] == label][: wanted[label]] for label in range(classes)]
    return np.sort(np.concatenate(chosen))
