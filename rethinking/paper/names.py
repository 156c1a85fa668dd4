"""The data sets that results may be on: in words, and how large they are as a whole."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rethinking.results.runs import Run


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
    "imagenet": DataSet("ILSVRC 2012", 1_281_167, 50_000, classes=1000),
}

# The grids, each a folder of metrics, by the data that its runs are on.
GRIDS = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "mnist": "MNIST", "imagenet": "ImageNet"}
# Those of paper/dvc.yaml; ImageNet's is a pipeline of its own.
PAPER_GRIDS = tuple(grid for grid in GRIDS if grid != "imagenet")
# The grid in small, as the folder of its metrics.
SMALL_GRID = "small/cifar10"
# The data sets of theory/dvc.yaml.
THEORY = ("digits", "mnist", "cifar10")

# An architecture as the paper writes it.
NAMES = {
    "inception": "Inception",
    "inception_nobn": "Inception w/o BatchNorm",
    "alexnet": "AlexNet",
    "mlp_1x512": "MLP 1x512",
    "mlp_3x512": "MLP 3x512",
    "wrn_28_1": "Wide ResNet 28-1",
    "inception_v3": "Inception V3",
}

# What sets a run of the grid apart, in words; a batch size speaks for itself.
VARIANTS = {
    "plain": "no regulariser",
    "weight_decay": "weight decay",
    "random_crop": "random crop",
    "augmentation": "full augmentation",
}
# Where table 2 has another word than table 4, for another augmentation.
VARIANTS_OF = {"inception_v3": {"augmentation": "data augmentation"}}

# What the kernels interpolate, in words, by the keys that collect_theory writes.
LABELLINGS = {
    "true_labels": "true labels",
    "true_labels_l2": "true labels with l2",
    "random_labels": "random labels",
}


def is_whole(metrics: Mapping[str, Any]) -> bool:
    """Whether a result is on the whole training set that it names; counts of parameters have none."""
    name, size = metrics.get("dataset"), metrics.get("train_size")
    if name is None:
        return size is None
    return name in DATASETS and size == DATASETS[name].train_size


def data_of(metrics: Mapping[str, Any]) -> str:
    """Which bytes a run was trained on, in words, how many images where it was not all of them, and in which arithmetic
    where it was not float32."""
    name = metrics.get("dataset") or "an unrecorded data set"
    size = metrics.get("train_size")
    words, whole = DATASETS[name][:2] if name in DATASETS else (name, None)
    parts = [words]
    if size is not None and size != whole:
        parts.append(f"{size:,} training images{'' if whole is None else ' only'}")
    if (precision := metrics.get("precision") or "float32") != "float32":
        parts.append(f"in {precision}")
    return ", ".join(parts)


def data_note(runs: Iterable[Run]) -> str:
    """One sentence on the data of these runs, by architecture where they differ."""
    archs: dict[str, list[str]] = {}
    for run in runs:
        names = archs.setdefault(data_of(run.metrics), [])
        if (name := arch_name(run.arch)) not in names:
            names.append(name)
    if len({tuple(names) for names in archs.values()}) < 2:
        return f"Data: {'; '.join(archs)}" if archs else ""
    return "Data: " + ";\n".join(f"{data} ({', '.join(names)})" for data, names in archs.items())


def variant_name(variant: str, arch: str) -> str:
    """A variant of an architecture in words: `random crop, weight decay`."""
    words = VARIANTS | VARIANTS_OF.get(arch, {})
    return ", ".join(words.get(part, part.replace("batch_size-", "batch size ")) for part in variant.split("+"))


def arch_name(arch: str) -> str:
    """An architecture as the paper writes it; one that it does not have by its name in the project."""
    return NAMES.get(arch, arch)
