"""Image files as a user lays them out: every form gives the same arrays, everything odd is named."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from rethinking.core.errors import DataError, UsageError
from rethinking.sources import imagefolder
from rethinking.sources.common.archives import read_files
from rethinking.sources.common.images import read_image_tree
from tests.sources.archives import encode, image_files, noise, write_folder, write_tar, write_zip


def read(tmp_path, files):
    return imagefolder.read(str(write_folder(tmp_path / "set", files)), tmp_path)


@pytest.mark.parametrize("write", [write_folder, write_tar, write_zip])
@pytest.mark.parametrize("top", ["", "a/set/"])
def test_every_form_gives_the_same_arrays_in_any_order(tmp_path, write, top):
    files = image_files(("dog", "cat"), per_class=2)
    path = write(tmp_path / "set", {top + name: content for name, content in reversed(files.items())})
    data = imagefolder.read(str(path), tmp_path)
    assert (data.name, data.class_names) == ("imagefolder", ["cat", "dog"])
    assert data.train_labels.tolist() == data.test_labels.tolist() == [0, 0, 1, 1]
    assert data.train_labels.dtype == np.int64
    # noise(n) is the n-th file: 2 dogs and 2 cats to train, 2 dogs and 2 cats to test; cats sort first.
    assert np.array_equal(data.train_images, [noise(n) for n in (2, 3, 0, 1)])
    assert np.array_equal(data.test_images, [noise(n) for n in (6, 7, 4, 5)])


def test_files_that_are_no_images_are_passed_over(tmp_path):
    data = read(tmp_path, {**image_files(), "train/cat/notes.txt": b"x", "README.md": b"x", "other/cat/1.png": b"x"})
    assert len(data.train_labels) == len(data.test_labels) == 6


def test_grey_images_have_one_channel_and_palettes_become_colour(tmp_path):
    grey = {name: encode(noise(0, (8, 8))) for name in image_files()}
    assert read(tmp_path / "grey", grey).train_images.shape == (6, 8, 8, 1)
    palette = io.BytesIO()
    Image.fromarray(noise(0)).quantize(256).save(palette, "PNG")
    data = read(tmp_path / "palette", dict.fromkeys(image_files(), palette.getvalue()))
    assert np.array_equal(data.train_images[0], noise(0))


def png(bit_depth, colour_type, width, height, pixels):
    """The bytes of a PNG file of any bit depth."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def rows(bytes_per_row, count=8):
    return bytes(1 + bytes_per_row) * count


BAD_IMAGES = {
    "another size": (encode(noise(0, (8, 9, 3))), r"is \(8, 9, 3\) \(H, W, C\); expected \(8, 8, 3\)"),
    "grey among colour": (encode(noise(0, (8, 8))), r"is \(8, 8, 1\)"),
    "JPEG cut short": (encode(noise(0), "JPEG")[:-40], "not a readable image"),
    "no image at all": (b"x" * 100, "not a readable image"),
    "empty": (b"", "not a readable image"),
    "PNG with a short header": (png(8, 2, 8, 8, rows(24))[:8] + b"\0\0\0\1IHDR\0" + bytes(4), "not a readable image"),
    "transparency": (encode(noise(0, (8, 8, 4))), "mode RGBA; expected 8-bit RGB or grey"),
    "16-bit grey": (png(16, 0, 8, 8, rows(16)), "expected 8-bit RGB or grey"),
    "16-bit colour": (png(16, 2, 8, 8, rows(48)), "expected 8-bit RGB or grey"),
    "too large": (png(8, 2, 1000, 1000, b""), "is 1000x1000; at most"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_an_image_that_does_not_fit_is_named(tmp_path, name):
    content, problem = BAD_IMAGES[name]
    with pytest.raises(DataError, match=rf"dataset\.source: 'train/dog/9\.png' .*{problem}"):
        read(tmp_path, {**image_files(), "train/dog/9.png": content})


def test_a_decompression_bomb_is_refused_without_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="'train/dog/9.png'"):
            read(tmp_path, {**image_files(), "train/dog/9.png": png(8, 2, 10_000, 10_000, b"")})


def classes_in(train, test):
    files = image_files(sorted({*train, *test}), per_class=1)
    return {
        name: content for name, content in files.items() if name.split("/")[1] in (train if "train" in name else test)
    }


@pytest.mark.parametrize(
    ("train", "test", "problem"),
    [
        (["cat", "dog", "fox"], ["cat", "dog"], "class 'fox' is in only one of train and test"),
        (["cat", "dog"], ["cat", "dog", "fox"], "class 'fox' is in only one of train and test"),
        (["cat"], ["cat"], "at least two classes; found 1 train and 1 test images of"),
        (["cat", "dog"], [], "found 2 train and 0 test images"),
        ([], ["cat", "dog"], "found 0 train and 2 test images"),
    ],
)
def test_both_splits_need_the_same_two_classes_or_more(tmp_path, train, test, problem):
    with pytest.raises(DataError, match=rf"dataset\.source: .*{problem}"):
        read(tmp_path, {**classes_in(train, test), "README": b"keeps the folder from being empty"})


def test_an_imagefolder_has_no_official_source(tmp_path):
    with pytest.raises(UsageError, match=r"dataset\.source: an imagefolder has no official source"):
        imagefolder.read("official", tmp_path)


def test_the_jpeg_copy_of_cifar10_is_read(real_data):
    source = real_data("cifar10-jpeg.tar.gz")
    every_50th = [file for number, file in enumerate(read_files(source)) if number % 50 == 0]
    data = read_image_tree(source, every_50th, "cifar10", shape=(32, 32, 3), classes=10)
    assert data.name == "cifar10-jpeg"
    assert data.class_names[:5] == ["airplane", "automobile", "bird", "cat", "deer"]
    assert data.class_names[5:] == ["dog", "frog", "horse", "ship", "truck"]
    assert np.bincount(data.train_labels).tolist() == [100] * 10
    assert np.bincount(data.test_labels).tolist() == [20] * 10
    assert 110 < data.train_images.mean() < 130
