"""MNIST: 60,000 + 10,000 grey images of 28x28 of handwritten digits (LeCun et al. 1998)."""

from pathlib import Path

from rethinking.sources.common.official import OfficialFiles, download, read_official
from rethinking.sources.common.raw import RawData

# MD5s of the unpacked files. torchvision's are of the gzip files, which differ from copy to copy, and it checks them
# after a download only.
IDX_FILES = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def read(source: str, downloads: Path) -> RawData:
    """Read MNIST from `official`, its four idx files (plain or gzip), or image files. Raises DataError."""
    from torchvision.datasets import MNIST

    path = Path(source)
    if source == "official":
        path = downloads / "mnist"
        for filename, md5 in MNIST.resources:
            download([mirror + filename for mirror in MNIST.mirrors], filename, md5, path)
    official = OfficialFiles(
        name="mnist",
        source_kind="official idx files",
        dataset=MNIST,
        folder="MNIST/raw",
        md5=IDX_FILES,
        image_shape=(28, 28, 1),
        classes=10,
    )
    return read_official(official, path)
