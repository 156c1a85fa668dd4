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
from rethinking.sources.common.images import FORMATS, _bits, read_image_tree
from tests.conftest import ROOT
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


def test_what_lies_beside_train_and_test_is_passed_over(tmp_path):
    data = read(tmp_path, {**image_files(), "README.md": b"x", "other/cat/1.png": b"x"})
    assert len(data.train_labels) == len(data.test_labels) == 6
    assert not data.passed_over


def test_what_tools_leave_among_the_images_is_no_class_and_is_counted(tmp_path):
    clutter = ["train/.ipynb_checkpoints/0.png", "test/.ipynb_checkpoints/0.png", "train/cat/.DS_Store"]
    clutter += ["__MACOSX/train/cat/0.png", "__MACOSX/train/cat/._0.png", "train/Thumbs.db", "test/cat/._1.png"]
    data = read(tmp_path, {**image_files(), **dict.fromkeys(clutter, encode(noise(0)))})
    assert data.class_names == ["cat", "dog"]
    assert len(data.train_labels) == len(data.test_labels) == 6
    expected = {".ipynb_checkpoints": 2, ".DS_Store": 1, "__MACOSX": 2, "Thumbs.db": 1, "._1.png": 1}
    assert data.passed_over == expected


STRAY = [
    "train/cat/notes.txt",
    "train/labels.csv",
    "train/cat/more/1.png",
    "train/cat/1.eps",
    "test/cat/1",
]


@pytest.mark.parametrize("name", STRAY)
@pytest.mark.parametrize("write", [write_folder, write_tar, write_zip])
def test_any_other_file_below_train_or_test_is_named(tmp_path, write, name):
    path = write(tmp_path / "set", {**image_files(), name: encode(noise(0))})
    with pytest.raises(DataError, match=rf"dataset\.source: '{name}' is no train/<class>/<image> .*\.png"):
        imagefolder.read(str(path), tmp_path)


def test_classes_may_be_called_train_and_test(tmp_path):
    files = {
        f"{split}/{name}/{number}.png": encode(noise(number))
        for split in ("train", "test")
        for name in ("train", "test")
        for number in range(2)
    }
    data = read(tmp_path, files)
    assert data.class_names == ["test", "train"]
    assert len(data.train_images) == len(data.test_images) == 4


@pytest.mark.parametrize("write", [write_folder, write_tar, write_zip])
def test_an_image_of_no_class_is_named(tmp_path, write):
    path = write(tmp_path / "set", {**image_files(), "test/1.png": encode(noise(0))})
    problem = "'test/1.png' lies in no folder of a class, so its label is unknown; expected test/<class>/<image>"
    with pytest.raises(DataError, match=problem):
        imagefolder.read(str(path), tmp_path)


@pytest.mark.parametrize("copy", ["copy/", "train/", "train/cat/"])
def test_a_copy_of_the_set_in_a_folder_of_it_is_not_read_too(tmp_path, copy):
    twice = {**image_files(), **{copy + name: content for name, content in image_files().items()}}
    with pytest.raises(DataError, match="' lie in two (train|test) folders; keep one"):
        read(tmp_path, twice)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_image_that_an_archive_holds_twice_is_named(tmp_path, mode):
    path = write_tar(tmp_path / "set", {**image_files(), "./train/cat/0.png": encode(noise(9))}, mode)
    with pytest.raises(DataError, match=r"'train/cat/0\.png' is there twice"):
        imagefolder.read(str(path), tmp_path)


def test_links_to_classes_splits_and_images_are_followed(tmp_path):
    whole = write_folder(tmp_path / "whole", image_files(("cat", "dog", "fox")))
    linked = tmp_path / "linked"
    (linked / "train/cat").mkdir(parents=True)
    (linked / "test").symlink_to(whole / "test")
    for name in ("dog", "fox"):
        (linked / "train" / name).symlink_to(whole / "train" / name)
    for n in range(3):
        (linked / f"train/cat/{n}.png").symlink_to(whole / f"train/cat/{n}.png")
    data, same = (imagefolder.read(str(folder), tmp_path) for folder in (linked, whole))
    assert data.class_names == ["cat", "dog", "fox"]
    assert np.array_equal(data.train_images, same.train_images)
    assert np.array_equal(data.test_images, same.test_images)


@pytest.mark.parametrize(
    ("link", "target", "problem"),
    [
        ("train/fox", "../../gone", "is a broken link"),
        ("test/cat/again", "..", "is a link to a folder that holds it"),
    ],
)
def test_a_link_to_nowhere_or_in_a_circle_is_named(tmp_path, link, target, problem):
    folder = write_folder(tmp_path / "set", image_files())
    (folder / link).symlink_to(target)
    with pytest.raises(DataError, match=rf"dataset\.source: '.*/{link}.*' {problem}"):
        imagefolder.read(str(folder), tmp_path)


@pytest.mark.parametrize("end", FORMATS)
def test_every_format_that_is_named_is_read(tmp_path, end):
    """A class of such files beside one of PNG: no class is lost, and lossless formats keep the pixels."""
    content = encode(noise(0), FORMATS[end])
    files = {f"{split}/fox/{n}{end.upper()}": content for split in ("train", "test") for n in range(2)}
    data = read(tmp_path, {**image_files(), **files})
    assert data.class_names == ["cat", "dog", "fox"]
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    if FORMATS[end] in ("png", "bmp", "tiff", "ppm"):
        assert np.array_equal(data.train_images[-1], noise(0))


def test_the_documentation_names_the_formats_that_are_read():
    text = (ROOT / "docs/adding.md").read_text().lower().replace("jpeg 2000", "")
    assert all(name in text for name in FORMATS.values())


@pytest.mark.parametrize("image_format", ["GIF", "TIFF", "PNG", "WEBP"])
def test_a_file_of_several_images_is_refused_as_only_one_would_be_read(tmp_path, image_format):
    several, others = io.BytesIO(), [Image.fromarray(noise(n)) for n in (1, 2)]
    Image.fromarray(noise(0)).save(several, image_format, save_all=True, append_images=others)
    with pytest.raises(DataError, match=r"'train/cat/0.png' holds 3 images; expected one"):
        read(tmp_path, {**image_files(), "train/cat/0.png": several.getvalue()})


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


def deep_tiff():
    """An uncompressed TIFF of 8x8 colours of 16 bits a channel."""
    entries = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 3, 110), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 116)]
    entries += [(277, 3, 1, 3), (279, 4, 1, 384)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    header = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)
    assert len(header) == 110
    return header + struct.pack("<HHH", 16, 16, 16) + bytes(384)


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
    "16-bit PPM": (b"P6 8 8 65535\n" + bytes(384), "16 bits a channel; expected 8-bit RGB or grey"),
    "16-bit TIFF": (deep_tiff(), "16 bits a channel; expected 8-bit RGB or grey"),
    "too large": (png(8, 2, 1000, 1000, b""), "is 1000x1000; at most"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_an_image_that_does_not_fit_is_named(tmp_path, name):
    content, problem = BAD_IMAGES[name]
    with pytest.raises(DataError, match=rf"dataset\.source: 'train/dog/9\.png' .*{problem}"):
        read(tmp_path, {**image_files(), "train/dog/9.png": content})


def test_the_bits_of_an_avif_are_those_that_its_header_names():
    content = encode(noise(0), "AVIF")
    deep = content.replace(b"pixi\0\0\0\0\3\x08", b"pixi\0\0\0\0\3\x0a")
    with Image.open(io.BytesIO(content)) as image:
        assert (_bits(image, content), _bits(image, deep)) == (8, 10)


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
