"""CIFAR-100: 50,000 + 10,000 colour images of 32x32 in 100 classes (Krizhevsky 2009)."""

from pathlib import Path

from rethinking.sources.common.cifar import read_cifar
from rethinking.sources.common.raw import RawData


def read(source: str, downloads: Path) -> RawData:
    """Read CIFAR-100 from `official`, its archive or extracted folder, or image files. Raises DataError."""
    from torchvision.datasets import CIFAR100

    return read_cifar("cifar100", 100, CIFAR100, source, downloads)
