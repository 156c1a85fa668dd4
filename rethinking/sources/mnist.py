"""MNIST: 60,000 + 10,000 grey images of 28x28 of handwritten digits (LeCun et al. 1998)."""

import gzip
import hashlib
import io
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from rethinking.core.errors import DataError
from rethinking.sources.common.archives import read_files
from rethinking.sources.common.download import download
from rethinking.sources.common.images import is_image_file, read_image_tree
from rethinking.sources.common.raw import RawData

# MD5 of the uncompressed files: archives differ in their compression, these bytes do not.
IDX_FILES = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
MAX_BYTES = 64 * 2**20


def read(source: str, downloads: Path) -> RawData:
    """Read MNIST from `official`, its four idx files (plain or gzip), or image files. Raises DataError."""
    path = Path(source)
    if source == "official":
        path = _download_official(downloads / "mnist")
    files = read_files(path)
    first = next((file for file in files if is_image_file(file[0]) or _idx_name(file[0]) in IDX_FILES), None)
    if first is None:
        raise DataError(f"dataset.source: '{source}' holds neither MNIST's idx files nor train/<class>/<image> files")
    files = itertools.chain([first], files)
    if is_image_file(first[0]):
        return read_image_tree(path, files, "mnist", shape=(28, 28, 1), classes=10)
    return _read_idx_files(path, files)


def _download_official(folder: Path) -> Path:
    from torchvision.datasets import MNIST

    for filename, md5 in MNIST.resources:
        download([mirror + filename for mirror in MNIST.mirrors], filename, md5, folder)
    return folder


def _idx_name(path: str) -> str:
    """The canonical name of an idx file: without folders, `.gz`, and with the dash some copies write as a dot."""
    return PurePosixPath(path).name.removesuffix(".gz").replace(".idx", "-idx")


def _read_idx_files(source: Path, files: Iterator[tuple[str, bytes]]) -> RawData:
    arrays: dict[str, np.ndarray] = {}
    for path, content in files:
        name = _idx_name(path)
        if name not in IDX_FILES:
            continue
        content = _gunzip(path, content) if path.endswith(".gz") else content
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != IDX_FILES[name]:
            raise DataError(f"dataset.source: '{path}' has MD5 {found} unpacked; MNIST has {IDX_FILES[name]}")
        # idx: a 4-byte magic number whose last byte is the number of dimensions, 4 bytes for each, then the bytes.
        dimensions = np.frombuffer(content, ">u4", count=content[3], offset=4)
        arrays[name] = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(dimensions)
    missing = sorted(set(IDX_FILES) - set(arrays))
    if missing:
        raise DataError(f"dataset.source: '{source}' lacks MNIST's file '{missing[0]}'")
    return RawData(
        train_images=arrays["train-images-idx3-ubyte"][..., None],
        train_labels=arrays["train-labels-idx1-ubyte"].astype(np.int64),
        test_images=arrays["t10k-images-idx3-ubyte"][..., None],
        test_labels=arrays["t10k-labels-idx1-ubyte"].astype(np.int64),
        class_names=[str(digit) for digit in range(10)],
        name="mnist",
        source_kind="official idx files",
        source_path=source,
    )


def _gunzip(path: str, content: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            return file.read(MAX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"dataset.source: '{path}' is damaged or cut short ({error}); fetch it again") from None
