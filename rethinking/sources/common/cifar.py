"""What CIFAR-10 and CIFAR-100 share: one archive, whose address and MD5s torchvision's class names."""

from pathlib import Path
from typing import Any

from rethinking.sources.common.official import OfficialFiles, download, read_official
from rethinking.sources.common.raw import RawData


def read_cifar(name: str, classes: int, dataset: Any, source: str, downloads: Path) -> RawData:
    """Read `official`, the official archive, its extracted folder, or image files. Raises DataError."""
    path = Path(source)
    if source == "official":
        path = download([dataset.url], dataset.filename, dataset.tgz_md5, downloads)
    official = OfficialFiles(
        name=name,
        source_kind="official archive",
        dataset=dataset,
        folder=dataset.base_folder,
        md5=dict([*dataset.train_list, *dataset.test_list, (dataset.meta["filename"], dataset.meta["md5"])]),
        image_shape=(32, 32, 3),
        classes=classes,
    )
    return read_official(official, path)
