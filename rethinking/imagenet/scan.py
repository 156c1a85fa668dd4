"""Reading every image of a source once, to find where each lies and that each can be decoded."""

import hashlib
import io
import os
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import numpy as np

from rethinking.core.arrays import save_arrays
from rethinking.core.errors import DataError
from rethinking.imagenet.common.config import Dataset
from rethinking.imagenet.common.index import RECORD
from rethinking.sources.common.archives import (
    DAMAGE,
    MAX_FILE_BYTES,
    Member,
    check_end,
    files_below,
    require_not_left_out,
)
from rethinking.sources.common.images import SPLITS, Places, classes_of, opened
from rethinking.sources.common.raw import balanced_subsets

# The largest image of ImageNet has 61 million pixels.
MAX_PIXELS = 2**27
READ_AT_ONCE = 64
IMAGENET = (1_281_167, 50_000, 1_000)  # training images, test images, classes


class Found(NamedTuple):
    """An image's bytes as a scan comes to them: split, class and file name, and the place they were read from."""

    split: str
    class_name: str
    name: str
    archive: str | None
    offset: int
    content: bytes

    @property
    def path(self) -> str:
        return f"{self.split}/{self.class_name}/{self.name}"


def scan(dataset: Dataset, folder: Path, on_image: Callable[[int], object] = lambda size: None) -> Counter[str]:
    """Read and decode every image of the source once, and write the index of those asked for into an existing folder.

    `on_image` gets each image's size in bytes. Returns what was passed over, by the name that gives it away.
    Raises DataError for what is missing, damaged, undecodable or of no known form.
    """
    source = dataset.path
    require_not_left_out(source)
    if not source.exists():
        raise DataError(
            f"dataset.source: no such file or folder '{source}'; expected a folder of ImageNet's official archives, or "
            "a folder or tar of train/<class>/<image> and test/<class>/<image>"
        )
    places = Places()
    official = is_official(source)
    found = official_images(source) if official else tree_images(source, places)
    archives: dict[str, int] = {}
    rows: dict[str, list[tuple]] = {split: [] for split in SPLITS}
    for image, (width, height, mode) in zip_in_threads(measured, found):
        file = -1 if image.archive is None else archives.setdefault(image.archive, len(archives))
        digest = np.frombuffer(hashlib.sha256(image.content).digest(), np.uint8)
        place = (file, image.offset, len(image.content))
        rows[image.split].append((image.class_name, os.fsencode(image.name), *place, width, height, mode, digest))
        on_image(len(image.content))
    write(folder, official, rows, list(archives), dataset)
    return places.passed_over


def bytes_of(source: Path) -> int:
    """The size of all files that a scan reads, an archive's headers included."""
    if is_official(source):
        files = [source / name for name in OFFICIAL.values()]
    elif source.is_dir():
        files = [path for split in SPLITS if (source / split).is_dir() for path in files_below(source / split)]
    else:
        files = [source]
    return sum(path.stat().st_size for path in files if path.exists())


def measured(image: Found) -> tuple[int, int, bytes]:
    """Width, height and mode of an image that can be decoded as a whole, in colour."""
    if not image.content:
        raise DataError(f"dataset.source: '{image.path}' has 0 bytes; fetch it again")
    with opened(image.path, image.content, MAX_PIXELS) as file:
        mode = file.mode.encode()
        return *file.convert("RGB").size, mode


def zip_in_threads(work: Callable[[Found], Any], found: Iterable[Found]) -> Iterator[tuple[Found, Any]]:
    """Each image with what `work` says of it, in order; Pillow decodes beside Python."""
    found = iter(found)
    with ThreadPoolExecutor() as pool:
        while some := list(islice(found, READ_AT_ONCE)):
            yield from zip(some, pool.map(work, some), strict=True)


def write(folder: Path, official: bool, rows: dict[str, list[tuple]], archives: list[str], dataset: Dataset) -> None:
    """Write the records of both splits and the meta.json that seals them.

    The set is called imagenet if it is official or has ImageNet's numbers of images and classes before a choice.
    Raises DataError where classes do not fit, UsageError where there are too few images.
    """
    class_names = classes_of(*([row[0] for row in rows[split]] for split in SPLITS))
    counts = (*(len(rows[split]) for split in SPLITS), len(class_names))
    name = "imagenet" if official or counts == IMAGENET else "imagefolder"
    number = {class_name: label for label, class_name in enumerate(class_names)}
    longest = max(len(row[1]) for split in rows.values() for row in split)
    arrays = {}
    for split, found in rows.items():
        arrays[split] = np.zeros(len(found), dtype=[*RECORD, ("name", f"S{longest}")])
        for at, row in enumerate(sorted(found, key=lambda row: row[:2])):
            class_name, file_name, *place, width, height, mode, digest = row
            arrays[split][at] = (*place, number[class_name], width, height, mode, digest, file_name)
    sizes = (dataset.train_size, dataset.test_size)
    kept = balanced_subsets(arrays["train"]["label"], arrays["test"]["label"], *sizes, dataset.seed, name)
    arrays = {split: arrays[split][chosen] for split, chosen in zip(SPLITS, kept, strict=True)}
    save_arrays(folder, arrays, {"dataset": name, "class_names": class_names, "archives": archives})


# --- Folders and archives of train/<class>/<image>


def tree_images(source: Path, places: Places) -> Iterator[Found]:
    """Every image of a folder or tar of train/<class>/<image> and test/<class>/<image>."""
    if (source / "val").is_dir() and not (source / "test").exists():
        raise DataError(f"dataset.source: '{source}' holds val/ and no test/; rename it; expected test/<class>/<image>")
    for name, archive, offset, read in members_of(source):
        path = PurePosixPath(name)
        if not places.take(path):
            continue
        if archive is None and len(path.parts) > 3:
            raise DataError(f"dataset.source: '{path}' lies in a folder of '{source}'; name that folder instead")
        yield Found(path.parts[-3], path.parts[-2], path.name, archive, offset, read())


def members_of(source: Path) -> Iterator[tuple[str, str | None, int, Callable[[], bytes]]]:
    """(name, archive, offset, what gives the bytes) of every file below a folder, or in a tar, which is read."""
    if source.is_dir():
        for path in files_below(source):
            yield path.relative_to(source).as_posix(), None, 0, path.read_bytes
    else:
        with open(source, "rb") as file:
            for name, offset, content in tar_members(source, file):
                yield name, "", offset, io.BytesIO(content).read  # the source itself: `source / ""`


class Hashed(io.BufferedIOBase):
    """A file that is read from its beginning to its end, and the MD5 of what was read."""

    def __init__(self, path: Path):
        self.file = open(path, "rb")  # noqa: SIM115  # closed by `close`
        self.md5 = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        content = self.file.read(size)
        self.md5.update(content)
        return content

    def close(self) -> None:
        self.file.close()
        super().close()


def tar_members(source: Path, file: IO[bytes] | Hashed) -> Iterator[tuple[str, int, bytes]]:
    """(name, offset, bytes) of every file in an uncompressed tar, and in the tars inside it, whose names come first.

    Raises DataError for a damaged one, for a link and for an unsafe path.
    """
    try:
        yield from _members(file, 0, "")
    except DAMAGE as error:
        raise DataError(
            f"dataset.source: '{source}' is damaged, cut short, compressed or no tar ({error}); unpack it or fetch it "
            "again"
        ) from None


def _members(file: IO[bytes] | Hashed, start: int, prefix: str) -> Iterator[tuple[str, int, bytes]]:
    with tarfile.open(fileobj=file, mode="r|", tarinfo=Member) as archive:
        for member in archive:
            archive.members.clear()  # type: ignore[attr-defined]  # where tarfile keeps every header
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()):
                raise ValueError(f"'{name}' is a link, a device or an unsafe path")
            if member.isdir():
                continue
            opened, offset = archive.extractfile(member), start + member.offset_data
            assert opened is not None
            if name.suffix == ".tar" and not prefix:
                yield from _members(opened, offset, f"{name.stem}/")
                continue
            if member.size > MAX_FILE_BYTES:
                raise ValueError(f"'{name}' is {member.size} bytes long")
            content = opened.read()
            if len(content) != member.size:
                raise EOFError(f"'{name}' ends early")
            yield f"{prefix}{name}", offset, content
        check_end(archive)


# --- The official archives

OFFICIAL = {split: f"ILSVRC2012_img_{name}.tar" for split, name in (("train", "train"), ("test", "val"))}


def is_official(source: Path) -> bool:
    """Whether a folder holds an official archive of images, perhaps without the other."""
    return any((source / name).exists() for name in OFFICIAL.values())


def official_images(folder: Path) -> Iterator[Found]:
    """Every image of the official archives of ILSVRC 2012, whose bytes must have the published MD5."""
    from torchvision.datasets.imagenet import ARCHIVE_META

    for name in OFFICIAL.values():
        if not (folder / name).exists():
            raise DataError(f"dataset.source: '{folder}' lacks {name}; download it from image-net.org")
    classes = enumerate(validation_classes(folder, *ARCHIVE_META["devkit"]), start=1)
    class_of = {f"ILSVRC2012_val_{number:08d}.JPEG": name for number, name in classes}
    yield from _official(folder, "train", ARCHIVE_META["train"][1], lambda path: path.parent.name)
    yield from _official(folder, "test", ARCHIVE_META["val"][1], lambda path: class_of.get(path.name, ""))


def _official(folder: Path, split: str, md5: str, class_of: Callable[[PurePosixPath], str]) -> Iterator[Found]:
    path = folder / OFFICIAL[split]
    with Hashed(path) as file:
        for name, offset, content in tar_members(path, file):
            member = PurePosixPath(name)
            if not (class_name := class_of(member)):
                raise DataError(
                    f"dataset.source: '{path}' holds '{name}', which the official one does not; fetch it again"
                )
            yield Found(split, class_name, member.name, path.name, offset, content)
        while file.read(2**20):
            pass
        if (found := file.md5.hexdigest()) != md5:
            raise DataError(f"dataset.source: '{path}' has MD5 {found}; the official one has {md5}; fetch it again")


def validation_classes(folder: Path, archive: str, md5: str) -> list[str]:
    """The class of each validation image: the archive of these is flat, and the development kit holds their labels."""
    from torchvision.datasets.imagenet import load_meta_file, parse_devkit_archive

    path = (folder / archive).resolve()
    if not path.exists() or hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != md5:
        raise DataError(f"dataset.source: '{folder}' needs {archive} of MD5 {md5} for the labels of the test images")
    with tempfile.TemporaryDirectory() as root:
        parse_devkit_archive(root, str(path))
        return list(load_meta_file(root)[1])
