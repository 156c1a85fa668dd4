"""The official files of CIFAR and MNIST, which torchvision downloads and reads, or the same images as image files.

Only files of the published MD5 reach torchvision, which unpickles CIFAR's.
"""

import gzip
import hashlib
import io
import itertools
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from rethinking.core.errors import NO_ROOM, DataError
from rethinking.core.files import new_file
from rethinking.sources.common.archives import MAX_FILE_BYTES, read_files
from rethinking.sources.common.images import is_image_file, read_image_tree
from rethinking.sources.common.raw import RawData


@dataclass(frozen=True)
class OfficialFiles:
    """The files, by name and MD5, that torchvision's class `dataset` reads from `folder`; image_shape is (H, W, C)."""

    name: str
    source_kind: str
    dataset: Any
    folder: str
    md5: dict[str, str]
    image_shape: tuple[int, int, int]
    classes: int


def download(urls: list[str], filename: str, md5: str, downloads: Path) -> Path:
    """Return the verified file in the downloads folder, fetching it where it is absent or broken.

    The classes of torchvision would keep a broken file, and try no further address after one.
    Raises DataError, with what to do, where no address answers or the bytes are wrong.
    """
    from torchvision.datasets.utils import check_integrity, download_url

    path = downloads / filename
    if check_integrity(str(path), md5):
        return path
    downloads.mkdir(parents=True, exist_ok=True)
    problem: Exception | None = None
    for url in urls:
        try:
            with new_file(path) as partial:  # two stages may fetch the same file at once
                download_url(url, str(downloads), partial.name, md5)
            return path
        except (OSError, RuntimeError, EOFError, HTTPException) as error:
            if getattr(error, "errno", None) in NO_ROOM:
                raise
            problem = error
    raise DataError(
        f"dataset.source: cannot download {urls[0]} ({problem}); with no network, set dataset.source to a local copy "
        f"of {filename}, or run `make demo`, which needs no download"
    )


def read_official(official: OfficialFiles, path: Path) -> RawData:
    """Read the official files, plain or gzip, or image files, from a folder, tar or zip. Raises DataError."""
    files = read_files(path)
    before = []  # names only: what comes first may be large, and is neither an image nor official
    for first in files:
        if is_image_file(first[0]) or _official_name(first[0]) in official.md5:
            break
        before.append((first[0], b""))
    else:
        raise DataError(
            f"dataset.source: '{path}' holds neither the official files of {official.name} nor "
            "train/<class>/<image> files"
        )
    files = itertools.chain(before, [first], files)
    if is_image_file(first[0]):
        return read_image_tree(path, files, official.name, official.image_shape, official.classes)
    # torchvision reads files on disk. Only this user can open the folder: nobody swaps a file after its check.
    with tempfile.TemporaryDirectory() as root:
        _write_verified(official, path, files, Path(root, official.folder))
        train, test = (official.dataset(root, train=is_train) for is_train in (True, False))
    return RawData(
        *_images_and_labels(train, official),
        *_images_and_labels(test, official),
        class_names=[name.partition(" - ")[0] for name in train.classes],  # MNIST's are "0 - zero" and so on
        name=official.name,
        source_kind=official.source_kind,
        source_path=path,
    )


def _official_name(path: str) -> str:
    """The file's name without `.gz`, and with the dash that some copies of MNIST write as a dot."""
    return PurePosixPath(path).name.removesuffix(".gz").replace(".idx", "-idx")


def _write_verified(official: OfficialFiles, source: Path, files: Iterable[tuple[str, bytes]], folder: Path) -> None:
    for path, content in files:
        name = _official_name(path)
        if name not in official.md5:
            continue
        content = _gunzip(path, content) if path.endswith(".gz") else content
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != official.md5[name]:
            unpacked = " unpacked" if path.endswith(".gz") else ""
            raise DataError(
                f"dataset.source: '{path}' in '{source}' has MD5 {found}{unpacked}; the official {official.name} has "
                f"{official.md5[name]}"
            )
        with new_file(folder / name) as partial:  # on a full disk, it names the file
            partial.write_bytes(content)
    missing = sorted(set(official.md5) - {path.name for path in folder.iterdir()})
    if missing:
        raise DataError(f"dataset.source: '{source}' lacks '{missing[0]}' of {official.name}; fetch it again")


def _gunzip(path: str, content: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            return file.read(MAX_FILE_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"dataset.source: '{path}' is damaged or cut short ({error}); fetch it again") from None


def _images_and_labels(dataset: Any, official: OfficialFiles) -> tuple[np.ndarray, np.ndarray]:
    """(N, H, W, C) uint8 and (N,) int64; torchvision's MNIST has no axis of channels."""
    images = np.ascontiguousarray(dataset.data).reshape(-1, *official.image_shape)
    return images, np.asarray(dataset.targets, dtype=np.int64)
