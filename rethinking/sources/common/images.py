"""Image files laid out as `train/<class>/<image>` and `test/<class>/<image>`, from a folder or an archive."""

import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from rethinking.core.errors import DataError
from rethinking.sources.common.raw import RawData

FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".bmp": "bmp", ".webp": "webp"}
SPLITS = ("train", "test")
MAX_PIXELS = 512 * 512
Image.MAX_IMAGE_PIXELS = None  # MAX_PIXELS is stricter, and Pillow's own limit begins with a warning


def is_image_file(name: str) -> bool:
    """Whether a file name has the form `.../train|test/<class>/<image>`."""
    path = PurePosixPath(name)
    if path.name.startswith("._"):  # a Mac's resource fork, which is no image
        return False
    return len(path.parts) >= 3 and path.parts[-3] in SPLITS and path.suffix.lower() in FORMATS


def read_image_tree(
    source: Path,
    files: Iterable[tuple[str, bytes]],
    name: str,
    shape: tuple[int, int, int] | None = None,
    classes: int | None = None,
) -> RawData:
    """Decode every image of `files`, which were read from `source`; all must have one size and number of channels.

    `shape` (H, W, C) and `classes`, where given, are what the data set must have.
    Raises DataError naming the first file that does not fit.
    """
    decoded: dict[str, list[tuple[str, str, np.ndarray]]] = {split: [] for split in SPLITS}
    formats: Counter[str] = Counter()
    for file_name, content in files:
        if not is_image_file(file_name):
            continue
        path, image = PurePosixPath(file_name), _decode(file_name, content)
        shape = shape or image.shape
        if image.shape != shape:
            raise DataError(f"dataset.source: '{path}' is {image.shape} (H, W, C); expected {shape}")
        decoded[path.parts[-3]].append((path.parts[-2], path.name, image))
        formats[FORMATS[path.suffix.lower()]] += 1
    class_names = sorted({class_name for class_name, _, _ in decoded["train"]})
    if not decoded["test"] or len(class_names) < 2:
        raise DataError(
            "dataset.source: expected image files as train/<class>/<image> and test/<class>/<image>, at least two "
            f"classes; found {len(decoded['train'])} train and {len(decoded['test'])} test images of {class_names}"
        )
    if classes is not None and len(class_names) != classes:
        raise DataError(f"dataset.source: found {len(class_names)} classes; {name} has {classes}")
    image_format = formats.most_common(1)[0][0]
    return RawData(
        *_stack("train", decoded["train"], class_names),
        *_stack("test", decoded["test"], class_names),
        class_names=class_names,
        name=name if name == "imagefolder" else f"{name}-{image_format}",
        source_kind=f"image files ({image_format})",
        source_path=source,
    )


def _stack(
    split: str, items: list[tuple[str, str, np.ndarray]], class_names: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W, C) uint8 and labels (N,) int64, sorted by class and file name whatever the archive's order."""
    items.sort(key=lambda item: item[:2])
    index = {class_name: label for label, class_name in enumerate(class_names)}
    found = {class_name for class_name, _, _ in items}
    if found != set(class_names):
        odd = sorted(found ^ set(class_names))[0]
        raise DataError(f"dataset.source: class '{odd}' is in only one of train and test, seen while reading {split}")
    labels = np.array([index[class_name] for class_name, _, _ in items], dtype=np.int64)
    return np.stack([image for _, _, image in items]), labels


def _decode(name: str, content: bytes) -> np.ndarray:
    """One image as (H, W, C) uint8: grey stays one channel, palettes become colour."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(
                    f"dataset.source: '{name}' is {image.width}x{image.height}; at most {MAX_PIXELS} pixels"
                )
            # Byte 24 of a PNG is its bit depth: Pillow cuts 16-bit colour to 8 bits in silence.
            deep = image.format == "PNG" and content[24] > 8
            if deep or image.mode not in ("RGB", "L", "P"):
                depth = "16 bits a channel" if deep else f"mode {image.mode}"
                raise DataError(f"dataset.source: '{name}' has {depth}; expected 8-bit RGB or grey")
            pixels = np.asarray(image if image.mode != "P" else image.convert("RGB"))
    except UnidentifiedImageError:
        raise DataError(f"dataset.source: '{name}' is not a readable image (of no known format)") from None
    except (OSError, SyntaxError, ValueError, IndexError) as error:
        raise DataError(f"dataset.source: '{name}' is not a readable image ({error})") from None
    return pixels.reshape(*pixels.shape[:2], -1)
