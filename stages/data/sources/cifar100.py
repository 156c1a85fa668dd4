"""CIFAR-100: 50,000 + 10,000 colour images of 32x32 in 100 classes (Krizhevsky 2009)."""

from pathlib import Path

from stages.data.raw import RawData
from stages.data.sources._cifar import Archive, read_cifar


def read(source: str, downloads: Path) -> RawData:
    """Read CIFAR-100 from `official`, its archive or extracted folder, or image files. Raises DataError."""
    from torchvision.datasets import CIFAR100

    archive = Archive(
        name="cifar100",
        classes=100,
        url=CIFAR100.url,
        filename=CIFAR100.filename,
        md5=CIFAR100.tgz_md5,
        train=dict(CIFAR100.train_list),
        test=dict(CIFAR100.test_list),
        meta={CIFAR100.meta["filename"]: CIFAR100.meta["md5"]},
        label_key="fine_labels",
        names_key=CIFAR100.meta["key"],
    )
    return read_cifar(archive, source, downloads)
