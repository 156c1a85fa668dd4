"""What CIFAR-10 and CIFAR-100 share: the official archive, or the same images as files.

The archive's members are pickles: each is read only after its MD5 matched the published one, and through an unpickler
that admits nothing but numpy arrays, lists, strings and integers.
"""

import hashlib
import io
import itertools
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from rethinking.core.errors import DataError
from rethinking.sources.common.archives import read_files
from rethinking.sources.common.download import download
from rethinking.sources.common.images import is_image_file, read_image_tree
from rethinking.sources.common.raw import RawData


@dataclass(frozen=True)
class Archive:
    """The official archive: address, MD5 of the whole, MD5 of each member, and the keys inside the pickles."""

    name: str
    classes: int
    url: str
    filename: str
    md5: str
    train: dict[str, str]
    test: dict[str, str]
    meta: dict[str, str]
    label_key: str
    names_key: str


def official_archive(name: str, classes: int, label_key: str, published: Any) -> Archive:
    """The archive as torchvision's data set class `published` knows it."""
    return Archive(
        name=name,
        classes=classes,
        url=published.url,
        filename=published.filename,
        md5=published.tgz_md5,
        train=dict(published.train_list),
        test=dict(published.test_list),
        meta={published.meta["filename"]: published.meta["md5"]},
        label_key=label_key,
        names_key=published.meta["key"],
    )


def read_cifar(archive: Archive, source: str, downloads: Path) -> RawData:
    """Read `official`, the official archive, its extracted folder, or image files. Raises DataError."""
    path = Path(source)
    if source == "official":
        path = download([archive.url], archive.filename, archive.md5, downloads)
    files = read_files(path)
    first = next(((name, content) for name, content in files if is_image_file(name) or _is_pickle(archive, name)), None)
    if first is None:
        raise DataError(
            f"dataset.source: '{source}' holds neither {archive.filename}'s files nor train/<class>/<image> files"
        )
    files = itertools.chain([first], files)
    if is_image_file(first[0]):
        return read_image_tree(path, files, archive.name, shape=(32, 32, 3), classes=archive.classes)
    return _read_pickles(archive, path, files)


def _is_pickle(archive: Archive, name: str) -> bool:
    return PurePosixPath(name).name in archive.train | archive.test | archive.meta


def _read_pickles(archive: Archive, source: Path, files: Iterator[tuple[str, bytes]]) -> RawData:
    known = archive.train | archive.test | archive.meta
    contents: dict[str, dict[str, Any]] = {}
    for path, content in files:
        name = PurePosixPath(path).name
        if name not in known:
            continue
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != known[name]:
            raise DataError(
                f"dataset.source: '{path}' in '{source}' has MD5 {found}; the official {archive.name} has {known[name]}"
            )
        contents[name] = _unpickle(content)
    missing = sorted(set(known) - set(contents))
    if missing:
        raise DataError(f"dataset.source: '{source}' lacks '{missing[0]}'; fetch {archive.filename} again")
    return RawData(
        *_images_and_labels(archive, [contents[name] for name in archive.train]),
        *_images_and_labels(archive, [contents[name] for name in archive.test]),
        class_names=list(contents[next(iter(archive.meta))][archive.names_key]),
        name=archive.name,
        source_kind="official archive",
        source_path=source,
    )


def _images_and_labels(archive: Archive, batches: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """(N, 32, 32, 3) uint8 and (N,) int64; the archive stores channels first, flat."""
    pixels = np.concatenate([batch["data"] for batch in batches])
    labels = np.concatenate([np.asarray(batch[archive.label_key], dtype=np.int64) for batch in batches])
    return np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels


def _unpickle(content: bytes) -> dict[str, Any]:
    try:
        return _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, ImportError, TypeError) as error:
        raise DataError(
            f"dataset.source: a pickle holds more than arrays, lists, strings and integers ({error})"
        ) from None


class _ArraysOnly(pickle.Unpickler):
    """Admits the constructors of a numpy array and nothing else."""

    ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed") from None
