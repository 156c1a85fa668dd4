"""CIFAR-10: 50,000 + 10,000 colour images of 32x32 in 10 classes (Krizhevsky 2009)."""

from pathlib import Path

from rethinking.sources.common.cifar import read_cifar
from rethinking.sources.common.raw import RawData


def read(source: str, downloads: Path) -> RawData:
    """Read CIFAR-10 from `official`, its archive or extracted folder, or image files. Raises DataError."""
    from torchvision.datasets import CIFAR10

    return read_cifar("cifar10", 10, CIFAR10, source, downloads)
