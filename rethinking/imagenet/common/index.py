"""Where every image lies, by number: an image stays in the file or the archive that it came in.

A record is 92 bytes, 122 MB for all of ImageNet. Images are sorted by class and file name, whatever their source, so
that an image has the same number, and the same random label, in every copy of a data set.
"""

import hashlib
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from rethinking.core.errors import DataError
from rethinking.core.files import read_sealed

# Damaged EXIF data, of which ImageNet has some, are nothing to an image whose orientation is ignored.
warnings.filterwarnings("ignore", module=r"PIL\..*")

RECORD = [
    ("file", "<i4"),  # the number of the archive that holds it; -1 for a file of its own
    ("offset", "<i8"),
    ("length", "<i4"),
    ("label", "<i4"),
    ("width", "<i4"),
    ("height", "<i4"),
    ("mode", "S4"),
    ("sha256", "u1", 32),
]


@dataclass(frozen=True)
class Split:
    """The training or the test images of an index, as records of RECORD and a name each."""

    name: str
    records: np.ndarray
    source: Path
    archives: list[str]
    class_names: list[str]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def labels(self) -> np.ndarray:
        """The true labels (N,) int64."""
        return self.records["label"].astype(np.int64)

    def path(self, number: int) -> str:
        """An image's path from the source: `train/<class>/<file>`."""
        record = self.records[number]
        return f"{self.name}/{self.class_names[record['label']]}/{os.fsdecode(bytes(record['name']))}"

    def image(self, number: int) -> Image.Image:
        """An image in RGB at its own size. Raises DataError, naming it, where it is not what was indexed."""
        record, path = self.records[number], self.path(number)
        in_archive = record["file"] >= 0
        file = self.source / self.archives[record["file"]] if in_archive else self.source / path
        try:
            with open(file, "rb") as opened:
                opened.seek(record["offset"])
                content = opened.read(record["length"] if in_archive else -1)
        except OSError as error:
            raise DataError(f"dataset.source: '{path}' cannot be read from {file}: {error.strerror}") from None
        if hashlib.sha256(content).digest() != record["sha256"].tobytes():
            raise DataError(f"dataset.source: '{path}' in {file} has changed since it was indexed; run `dvc repro -f`")
        with Image.open(io.BytesIO(content)) as opened_image:  # as `scan` could
            return opened_image.convert("RGB")


@dataclass(frozen=True)
class Index:
    """A data set's images, by split."""

    train: Split
    test: Split
    name: str
    fingerprint: str

    @property
    def class_names(self) -> list[str]:
        return self.train.class_names


def open_index(folder: Path, source: Path) -> Index:
    """The index in a folder, of images that lie at `source`. Raises DataError where it is damaged."""
    meta = read_sealed(folder)
    names = meta["archives"], meta["class_names"]
    train, test = (
        Split(name, np.load(folder / f"{name}.npy", mmap_mode="r"), source, *names) for name in ("train", "test")
    )
    return Index(train, test, meta["dataset"], meta["sha256"]["train.npy"] + meta["sha256"]["test.npy"])
