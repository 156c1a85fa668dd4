"""The digits that scikit-learn ships: 1,797 real 8x8 grey images, brought to the form of CIFAR-10.

Each pixel (0 to 16) becomes a 4x4 block of (0 to 255) in three equal channels: 32x32x3, exact and without a network.
"""

from pathlib import Path

import numpy as np

from rethinking.core.errors import UsageError
from rethinking.sources.common.raw import RawData

TEST_IMAGES_PER_CLASS = 30


def read(source: str, downloads: Path) -> RawData:
    """Read the embedded digits; the last 30 of each class, by other writers, are the test set."""
    if source != "official":
        raise UsageError(f"dataset.source: found '{source}'; the embedded digits only take 'official'")
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    images = np.repeat(grey.repeat(4, axis=1).repeat(4, axis=2)[..., None], 3, axis=3)
    labels = digits.target.astype(np.int64)
    is_test = np.zeros(len(labels), dtype=bool)
    for label in range(10):
        is_test[np.flatnonzero(labels == label)[-TEST_IMAGES_PER_CLASS:]] = True
    return RawData(
        train_images=images[~is_test],
        train_labels=labels[~is_test],
        test_images=images[is_test],
        test_labels=labels[is_test],
        class_names=[str(digit) for digit in range(10)],
        name="digits",
        source_kind="embedded in scikit-learn",
    )
