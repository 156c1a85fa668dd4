"""Data sets as folders of .npy arrays with a meta.json that holds their hashes.

A raw set holds everything. A corrupted set holds what the corruption changed, and the hash of its raw set.
`open_dataset` opens either kind as a whole and checks every byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rethinking.core.errors import DataError
from rethinking.core.files import read_sealed, seal, sha256_of

NO_CORRUPTION = {"kind": "none", "level": 0.0, "seed": 0}
ALLOWED_DTYPES = {"images": ("uint8", "float16"), "labels": ("int64",)}


@dataclass(frozen=True)
class ImageData:
    """A data set that a network is trained on.

    Images are (N, H, W, C), uint8 or float16 in the range of pixels, 0 to 255; labels (N,) int64.
    `train_true_labels` are the labels before corruption; `fingerprint` is a hash of every byte.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    train_true_labels: np.ndarray
    name: str
    class_names: list[str]
    corruption: Mapping[str, Any]
    fingerprint: str

    @property
    def classes(self) -> int:
        return len(self.class_names)


def save_arrays(folder: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write each array as `<name>.npy` into an existing folder, then the meta.json that seals it. Raises DataError."""
    for name, array in arrays.items():
        try:
            np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        except OSError as error:  # numpy's own says neither which file nor why
            raise DataError(f"cannot write {name}.npy ({error}); is the disk full?") from None
    seal(folder, meta)


def open_dataset(folder: Path, raw: Path | None = None) -> ImageData:
    """Open a raw or a corrupted data set as a whole, arrays memory-mapped read-only, hashes checked.

    `raw` is the folder of the raw set that a corrupted set belongs to.
    Raises DataError where a file is missing or damaged, or the two do not belong together.
    """
    meta, arrays = _load(folder)
    if "raw" not in meta:
        whole, raw_meta, corruption = arrays, meta, meta.get("corruption", NO_CORRUPTION)
    else:
        if raw is None:
            raise DataError(f"{folder} is a corrupted data set; name its raw set too")
        raw_meta, raw_arrays = _load(raw)
        if meta["raw"] != raw_fingerprint(raw_meta):
            raise DataError(f"{folder} was made from another raw set than {raw}; run `dvc repro` to make it again")
        whole, corruption = raw_arrays | arrays, meta["corruption"]
    missing = [name for name in _NEEDED if name not in whole]
    if missing:
        raise DataError(f"{folder} has no {missing[0]}.npy; run `dvc repro` to make it again")
    _require_consistent(folder, whole, len(raw_meta["class_names"]))
    return ImageData(
        **{name: whole[name] for name in _NEEDED},
        train_true_labels=whole.get("train_true_labels", whole["train_labels"]),
        name=raw_meta["dataset"],
        class_names=raw_meta["class_names"],
        corruption=corruption,
        fingerprint=dataset_fingerprint(meta),
    )


def dataset_fingerprint(meta: Mapping[str, Any]) -> str:
    """A hash of every byte of a raw or corrupted set, from its meta.json."""
    return sha256_of([meta.get("raw") or raw_fingerprint(meta), array_hashes(meta)])


def raw_fingerprint(meta: Mapping[str, Any]) -> str:
    """A hash of every byte of a raw set, from its meta.json."""
    return sha256_of(array_hashes(meta))


def array_hashes(meta: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 of every array of a data set, by file name."""
    return {name: value for name, value in meta["sha256"].items() if name.endswith(".npy")}


def _require_consistent(folder: Path, arrays: Mapping[str, np.ndarray], classes: int) -> None:
    """Raise DataError where an image has no label or a label no class."""
    for name, labels in arrays.items():
        if not name.endswith("labels"):
            continue
        images = arrays[f"{name.partition('_')[0]}_images"]
        if len(images) != len(labels):
            raise DataError(f"{folder} has {len(images)} images but {len(labels)} labels in {name}.npy")
        if len(labels) == 0 or labels.min() < 0 or labels.max() >= classes:
            raise DataError(f"{folder} has labels in {name}.npy that are none of its {classes} classes")


_NEEDED = ("train_images", "train_labels", "test_images", "test_labels")


def _load(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The meta data and the arrays of one folder, each array checked against its hash."""
    meta = read_sealed(folder)
    return meta, {Path(name).stem: _load_array(folder / name) for name in array_hashes(meta)}


def _load_array(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise DataError(f"{path} holds no whole array of numbers; delete its folder and run `dvc repro`") from None
    allowed = ALLOWED_DTYPES["images" if path.stem.endswith("images") else "labels"]
    if array.dtype.name not in allowed:
        raise DataError(f"{path} has dtype {array.dtype}; expected {' or '.join(allowed)}")
    if array.ndim != (4 if path.stem.endswith("images") else 1):
        raise DataError(f"{path} has shape {array.shape}; expected (N, H, W, C) for images, (N,) for labels")
    return array
