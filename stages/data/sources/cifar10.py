"""CIFAR-10: 50,000 + 10,000 colour images of 32x32 in 10 classes (Krizhevsky 2009)."""

from pathlib import Path

from stages.data.raw import RawData
from stages.data.sources._cifar import Archive, read_cifar


def read(source: str, downloads: Path) -> RawData:
    """Read CIFAR-10 from `official`, its archive or extracted folder, or image files. Raises DataError."""
    from torchvision.datasets import CIFAR10

    archive = Archive(
        name="cifar10",
        classes=10,
        url=CIFAR10.url,
        filename=CIFAR10.filename,
        md5=CIFAR10.tgz_md5,
        train=dict(CIFAR10.train_list),
        test=dict(CIFAR10.test_list),
        meta={CIFAR10.meta["filename"]: CIFAR10.meta["md5"]},
        label_key="labels",
        names_key=CIFAR10.meta["key"],
    )
    return read_cifar(archive, source, downloads)
