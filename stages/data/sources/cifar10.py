"""CIFAR-10: 50,000 + 10,000 colour images of 32x32 in 10 classes (Krizhevsky 2009)."""

from pathlib import Path

from stages.data.raw import RawData
from stages.data.sources._cifar import official_archive, read_cifar


def read(source: str, downloads: Path) -> RawData:
    """Read CIFAR-10 from `official`, its archive or extracted folder, or image files. Raises DataError."""
    from torchvision.datasets import CIFAR10

    return read_cifar(official_archive("cifar10", 10, "labels", CIFAR10), source, downloads)
