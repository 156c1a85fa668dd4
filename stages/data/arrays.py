"""Data sets as folders of .npy arrays with a meta.json that holds their hashes.

A raw set holds everything; a corrupted set holds only what the corruption changed and names the raw set it belongs to
by hash. `open_dataset` opens either kind as a whole and checks every byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages.errors import DataError
from stages.files import read_json, sha256, sha256_of, write_json

NO_CORRUPTION = {"kind": "none", "level": 0.0, "seed": 0}
ALLOWED_DTYPES = {"images": ("uint8", "float16"), "labels": ("int64",)}


@dataclass(frozen=True)
class ImageData:
    """A data set as a network is trained on it.

    Images are (N, H, W, C), uint8 or float16 in the range of pixels, 0 to 255; labels (N,) int64.
    `train_true_labels` are the labels before corruption; `fingerprint` identifies every byte.
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
        """The number of classes."""
        return len(self.class_names)


def save_arrays(folder: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write each array as `<name>.npy` and meta.json with their SHA-256 into an existing folder. Raises DataError."""
    for name, array in arrays.items():
        try:
            np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        except OSError as error:  # numpy's own says neither which file nor why
            raise DataError(f"cannot write {name}.npy ({error}); is the disk full?") from None
    hashes = {f"{name}.npy": sha256(folder / f"{name}.npy") for name in arrays}
    write_json(folder / "meta.json", {**meta, "sha256": hashes})


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
    return ImageData(
        **{name: whole[name] for name in _NEEDED},
        train_true_labels=whole.get("train_true_labels", whole["train_labels"]),
        name=raw_meta["dataset"],
        class_names=raw_meta["class_names"],
        corruption=corruption,
        fingerprint=sha256_of([raw_fingerprint(raw_meta), meta["sha256"]]),
    )


def raw_fingerprint(meta: Mapping[str, Any]) -> str:
    """The identity of a raw set: a hash of the hashes of its arrays."""
    return sha256_of(meta["sha256"])


_NEEDED = ("train_images", "train_labels", "test_images", "test_labels")


def _load(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The meta data and the arrays of one folder, each array checked against its hash."""
    try:
        meta = read_json(folder / "meta.json")
        hashes = meta["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{folder} holds no readable meta.json; run `dvc repro` to make it") from None
    return meta, {Path(name).stem: _load_array(folder / Path(name).name, expected) for name, expected in hashes.items()}


def _load_array(path: Path, expected_hash: str) -> np.ndarray:
    try:
        if sha256(path) != expected_hash:
            raise ValueError("it differs from its recorded hash")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); delete its folder and run `dvc repro`") from None
    allowed = ALLOWED_DTYPES["images" if path.stem.endswith("images") else "labels"]
    if array.dtype.name not in allowed:
        raise DataError(f"{path} has dtype {array.dtype}; expected {' or '.join(allowed)}")
    return array
