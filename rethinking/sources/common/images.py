"""Image files laid out as `train/<class>/<image>` and `test/<class>/<image>`, from a folder or an archive."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from rethinking.core.errors import DataError
from rethinking.sources.common.raw import RawData

# Pillow's names of the formats that are read, by the ends of file names. Its others are left out: some hold no image of
# 8 bits, and EPS is a program that Pillow would run.
FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "jpeg"),
    **dict.fromkeys((".tif", ".tiff"), "tiff"),
    **dict.fromkeys((".ppm", ".pgm", ".pnm"), "ppm"),
    **{f".{name}": name for name in ("png", "bmp", "gif", "webp", "avif")},
}
# What tools leave beside images, besides everything whose name begins with a dot.
CLUTTER = ("__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini")
SPLITS = ("train", "test")
MAX_PIXELS = 512 * 512
Image.MAX_IMAGE_PIXELS = None  # MAX_PIXELS is stricter, and Pillow's own limit begins with a warning


def is_image_file(name: str) -> bool:
    """Whether a file name has the form `.../train|test/<class>/<image>`."""
    path = PurePosixPath(name)
    is_image = len(path.parts) >= 3 and path.parts[-3] in SPLITS and path.suffix.lower() in FORMATS
    return is_image and clutter_in(path) is None


def read_image_tree(
    source: Path,
    files: Iterable[tuple[str, bytes]],
    name: str,
    shape: tuple[int, int, int] | None = None,
    classes: int | None = None,
) -> RawData:
    """Decode every image of `files`, which were read from `source`; all must have one size and number of channels.

    `shape` (H, W, C) and `classes`, where given, are what the data set must have. Every file below train/ and test/ is
    an image or clutter, which is counted. Raises DataError naming the first file that does not fit.
    """
    decoded: dict[str, list[tuple[str, str, np.ndarray]]] = {split: [] for split in SPLITS}
    formats: Counter[str] = Counter()
    places = Places()
    for file_name, content in files:
        path = PurePosixPath(file_name)
        if not places.take(path):
            continue
        image = _decode(file_name, content)
        shape = shape or image.shape
        if image.shape != shape:
            raise DataError(f"dataset.source: '{path}' is {image.shape} (H, W, C); expected {shape}")
        decoded[path.parts[-3]].append((path.parts[-2], path.name, image))
        formats[FORMATS[path.suffix.lower()]] += 1
    class_names = classes_of(*([class_name for class_name, _, _ in decoded[split]] for split in SPLITS))
    if classes is not None and len(class_names) != classes:
        raise DataError(f"dataset.source: found {len(class_names)} classes; {name} has {classes}")
    image_format = formats.most_common(1)[0][0]
    return RawData(
        *_stack(decoded["train"], class_names),
        *_stack(decoded["test"], class_names),
        class_names=class_names,
        name=name if name == "imagefolder" else f"{name}-{image_format}",
        source_kind=f"image files ({image_format})",
        source_path=source,
        passed_over=places.passed_over,
    )


def clutter_in(path: PurePosixPath) -> str | None:
    """The part of a path that gives it away as a tool's own file, such as `.ipynb_checkpoints`."""
    return next((part for part in path.parts if part.startswith(".") or part in CLUTTER), None)


class Places:
    """Where the images lie: each split in one folder, each image once. `passed_over` counts what tools left there."""

    def __init__(self) -> None:
        self.passed_over: Counter[str] = Counter()
        self.images: set[PurePosixPath] = set()
        self.first: dict[str, PurePosixPath] = {}

    def take(self, path: PurePosixPath) -> bool:
        """Whether it is an image, which is noted; a file outside train/ and test/ is none, nor is clutter.

        Raises DataError for another file, an image seen before, and a second copy of a split.
        """
        if set(path.parts[:-1]).isdisjoint(SPLITS):
            return False
        if clutter := clutter_in(path):
            self.passed_over[clutter] += 1
            return False
        if not is_image_file(path.as_posix()):
            if path.parent.name in SPLITS and path.suffix.lower() in FORMATS:
                raise DataError(
                    f"dataset.source: '{path}' lies in no folder of a class, so its label is unknown; "
                    f"expected {path.parent.name}/<class>/<image>"
                )
            raise DataError(
                f"dataset.source: '{path}' is no train/<class>/<image> or test/<class>/<image> whose name ends in one "
                f"of {' '.join(FORMATS)}; move it elsewhere"
            )
        if path in self.images:
            raise DataError(f"dataset.source: '{path}' is there twice; keep one")
        self.images.add(path)
        first = self.first.setdefault(path.parts[-3], path)
        if path.parts[:-3] != first.parts[:-3]:
            raise DataError(f"dataset.source: '{first}' and '{path}' lie in two {path.parts[-3]} folders; keep one")
        return True


def classes_of(train: list[str], test: list[str]) -> list[str]:
    """The classes, sorted, by those of each image. Raises DataError for fewer than two, or one of one split alone."""
    names = sorted({*train})
    if not test or len(names) < 2:
        raise DataError(
            "dataset.source: expected image files as train/<class>/<image> and test/<class>/<image>, at least two "
            f"classes; found {len(train)} train and {len(test)} test images of {len(names)} classes"
        )
    if odd := sorted({*names} ^ {*test}):
        raise DataError(f"dataset.source: class '{odd[0]}' is in only one of train and test")
    return names


def _stack(items: list[tuple[str, str, np.ndarray]], class_names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W, C) uint8 and labels (N,) int64, sorted by class and file name whatever the archive's order."""
    items.sort(key=lambda item: item[:2])
    index = {class_name: label for label, class_name in enumerate(class_names)}
    labels = np.array([index[class_name] for class_name, _, _ in items], dtype=np.int64)
    return np.stack([image for _, _, image in items]), labels


def _decode(name: str, content: bytes) -> np.ndarray:
    """One image as (H, W, C) uint8: grey stays one channel, palettes become colour."""
    with opened(name, content, MAX_PIXELS) as image:
        if image.mode not in ("RGB", "L", "P"):
            raise DataError(f"dataset.source: '{name}' has mode {image.mode}; expected 8-bit RGB or grey")
        pixels = np.asarray(image if image.mode != "P" else image.convert("RGB"))
    return pixels.reshape(*pixels.shape[:2], -1)


@contextmanager
def opened(name: str, content: bytes, max_pixels: int) -> Iterator[ImageFile]:
    """The one image of 8 bits a channel that these bytes hold.

    Raises DataError, naming it, where they hold another, and where the block cannot decode it.
    """
    try:
        with Image.open(io.BytesIO(content), formats=sorted(set(FORMATS.values()))) as image:
            if image.width * image.height > max_pixels:
                raise DataError(
                    f"dataset.source: '{name}' is {image.width}x{image.height}; at most {max_pixels} pixels"
                )
            # A phone's JPEG (MPO) holds a preview beside the image; another file of several would lose all but one.
            frames = getattr(image, "n_frames", 1)
            if image.format != "MPO" and frames > 1:
                raise DataError(f"dataset.source: '{name}' holds {frames} images; expected one")
            if (bits := _bits(image, content)) > 8:
                raise DataError(f"dataset.source: '{name}' has {bits} bits a channel; expected 8-bit RGB or grey")
            yield image
    except UnidentifiedImageError:
        raise DataError(f"dataset.source: '{name}' is not a readable image (of no known format)") from None
    except (DataError, MemoryError):
        raise
    except Exception as error:  # of whatever kind a decoder raises
        raise DataError(f"dataset.source: '{name}' is not a readable image ({error})") from None


def _bits(image: ImageFile, content: bytes) -> int:
    """Bits a channel, which Pillow cuts to 8 in silence where there are more."""
    if image.format == "PNG":
        return content[24]
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (1,)))  # type: ignore[attr-defined]  # BitsPerSample
    if image.format == "PPM" and isinstance(image.tile[0].args, tuple):
        return int(image.tile[0].args[-1]).bit_length()  # of the greatest value
    if image.format == "AVIF" and (at := content.find(b"pixi")) >= 0:
        return content[at + 9]  # after four bytes of version and one of the number of channels
    return 8
