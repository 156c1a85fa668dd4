"""The data sets that results may be on: in words, and how large they are as a whole."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class DataSet(NamedTuple):
    """A whole data set: its name in words, its numbers of training and test images, its classes and channels."""

    words: str
    train_size: int
    test_size: int
    classes: int = 10
    channels: int = 3


DATASETS = {
    "cifar10": DataSet("official CIFAR-10", 50_000, 10_000),
    "cifar10-jpeg": DataSet("JPEG copy of CIFAR-10", 50_000, 10_000),
    "cifar100": DataSet("official CIFAR-100", 50_000, 10_000, classes=100),
    "mnist": DataSet("official MNIST", 60_000, 10_000, channels=1),
    "digits": DataSet("scikit-learn's digits", 1_497, 300),
}

# The grids, each a folder of metrics, by the data that its runs are on.
GRIDS = {"paper": "CIFAR-10", "cifar100": "CIFAR-100", "mnist": "MNIST"}


def is_whole(metrics: Mapping[str, Any]) -> bool:
    """Whether a result is on the whole training set that it names; counts of parameters name none."""
    name = metrics.get("dataset")
    return name is None or (name in DATASETS and metrics.get("train_size") == DATASETS[name].train_size)
