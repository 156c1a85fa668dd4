"""The index finds every image where it lies, from every kind of source, and names what it cannot read."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rethinking.core.errors import DataError, UsageError
from rethinking.imagenet import scan as scan_module
from rethinking.imagenet.common.config import Dataset
from rethinking.imagenet.common.index import Index, open_index
from rethinking.imagenet.scan import bytes_of, scan
from tests.imagenet.image_sets import CLASSES, encoded, image_files, noise, tar_of
from tests.sources.archives import write_folder


def indexed(source: Path, folder: Path) -> Index:
    folder.mkdir()
    scan(Dataset(source=str(source)), folder)
    return open_index(folder, source)


def message(source: Path, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    with pytest.raises(DataError) as error:
        scan(Dataset(source=str(source)), folder)
    return str(error.value)


def test_a_folder_and_a_tar_of_any_order_give_the_same_numbers_hashes_and_pixels(tmp_path):
    files = image_files()
    folder = write_folder(tmp_path / "folder", files)
    tar = tmp_path / "shuffled.tar"
    tar.write_bytes(tar_of(dict(reversed(files.items()))))
    one, other = indexed(folder, tmp_path / "a"), indexed(tar, tmp_path / "b")
    for a, b in ((one.train, other.train), (one.test, other.test)):
        assert [a.path(number) for number in range(len(a))] == [b.path(number) for number in range(len(b))]
        assert (a.records["sha256"] == b.records["sha256"]).all()
        assert (a.labels == b.labels).all()
        for number in range(len(a)):
            expected = np.asarray(Image.open(io.BytesIO(files[a.path(number)])))
            assert (np.asarray(a.image(number)) == expected).all()
            assert (np.asarray(b.image(number)) == expected).all()
    assert [one.train.path(0), one.train.path(15)] == ["train/n01/0.JPEG", "train/n02/7.JPEG"]


def official(folder: Path, monkeypatch: pytest.MonkeyPatch, wrong_md5: str = "") -> dict[str, bytes]:
    """The official archives in small, and the images in them by path; torchvision is told their MD5."""
    import hashlib

    from scipy.io import savemat
    from torchvision.datasets import imagenet

    files = image_files()
    inner = {
        f"{name}.tar": tar_of({Path(path).name: each for path, each in files.items() if f"train/{name}/" in path})
        for name in CLASSES
    }
    classes = ["n02", "n01", "n01", "n02"]  # of the test images, whose labels are numbers that follow no order
    tests: dict[str, list[bytes]] = {name: [files[f"test/{name}/{n}.JPEG"] for n in range(2)] for name in CLASSES}
    val = {f"ILSVRC2012_val_{n + 1:08d}.JPEG": tests[name].pop() for n, name in enumerate(classes)}
    synsets = np.array(
        [(7, "n02", "b, bb", "", 0, [], 1, 1), (3, "n01", "a", "", 0, [], 1, 1)],
        dtype=[(n, object) for n in "ILSVRC2012_ID WNID words gloss num_children children height images".split()],
    )
    matrix = io.BytesIO()
    savemat(matrix, {"synsets": synsets})
    truth = "".join(f"{ {'n02': 7, 'n01': 3}[name] }\n" for name in classes).encode()
    name = "ILSVRC2012_devkit_t12/data"
    devkit = io.BytesIO()
    with tarfile.open(fileobj=devkit, mode="w:gz") as archive:
        for path, content in (
            (f"{name}/meta.mat", matrix.getvalue()),
            (f"{name}/ILSVRC2012_validation_ground_truth.txt", truth),
        ):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    archives = {
        "train": ("ILSVRC2012_img_train.tar", tar_of(inner)),
        "val": ("ILSVRC2012_img_val.tar", tar_of(val)),
        "devkit": ("ILSVRC2012_devkit_t12.tar.gz", devkit.getvalue()),
    }
    folder.mkdir()
    meta = {}
    for key, (file, content) in archives.items():
        (folder / file).write_bytes(content)
        meta[key] = (file, "0" * 32 if key == wrong_md5 else hashlib.md5(content).hexdigest())
    monkeypatch.setattr(imagenet, "ARCHIVE_META", meta)
    return {f"test/{name}/{file}": content for (file, content), name in zip(val.items(), classes, strict=True)} | {
        path: content for path, content in files.items() if path.startswith("train")
    }


def test_the_official_archives_are_read_in_place_and_the_test_labels_come_from_the_development_kit(
    tmp_path, monkeypatch
):
    files = official(tmp_path / "official", monkeypatch)
    index = indexed(tmp_path / "official", tmp_path / "index")
    assert index.name == "imagenet"
    assert (len(index.train), len(index.test)) == (16, 4)
    for split in (index.train, index.test):
        for number in range(len(split)):
            expected = np.asarray(Image.open(io.BytesIO(files[split.path(number)])))
            assert (np.asarray(split.image(number)) == expected).all()


@pytest.mark.parametrize(
    ("key", "words"), [("train", "img_train.tar' has MD5"), ("val", "img_val.tar' has MD5"), ("devkit", "devkit_t12")]
)
def test_archives_of_other_bytes_than_the_official_ones_are_refused(tmp_path, monkeypatch, key, words):
    official(tmp_path / "official", monkeypatch, wrong_md5=key)
    assert words in message(tmp_path / "official", tmp_path / "index")


@pytest.mark.parametrize(("absent", "other"), [("train", "val"), ("val", "train")])
def test_an_official_archive_that_is_absent_is_named(tmp_path, monkeypatch, absent, other):
    official(tmp_path / "official", monkeypatch)
    (tmp_path / f"official/ILSVRC2012_img_{absent}.tar").unlink()
    (tmp_path / f"official/ILSVRC2012_img_{other}.tar").write_bytes(b"of another MD5, which is not read")
    assert f"lacks ILSVRC2012_img_{absent}.tar" in message(tmp_path / "official", tmp_path / "index")


@pytest.mark.parametrize("name", ["ILSVRC2012_val_00000005.JPEG", "ILSVRC2012_val_1.JPEG", "README", "a/b.txt"])
def test_an_official_archive_with_another_file_in_it_is_named(tmp_path, monkeypatch, name):
    official(tmp_path / "official", monkeypatch)  # which has four test images
    (tmp_path / "official/ILSVRC2012_img_val.tar").write_bytes(tar_of({name: noise(1)}))
    expected = f"ILSVRC2012_img_val.tar' holds '{name}', which the official one does not"
    assert expected in message(tmp_path / "official", tmp_path / "index")


@pytest.mark.parametrize(
    ("cut", "words"), [(0.5, "ILSVRC2012_img_train.tar' is damaged, cut short"), (0.999, "img_train.tar' has MD5")]
)
def test_an_archive_cut_short_is_named_though_only_what_follows_its_end_is_missing(tmp_path, monkeypatch, cut, words):
    official(tmp_path / "official", monkeypatch)
    path = tmp_path / "official/ILSVRC2012_img_train.tar"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * cut)])
    assert words in message(tmp_path / "official", tmp_path / "index")


def test_an_inner_archive_cut_short_is_named(tmp_path, monkeypatch):
    official(tmp_path / "official", monkeypatch)
    inner = tar_of({"a.JPEG": noise(1)})[:3000]
    (tmp_path / "official/ILSVRC2012_img_train.tar").write_bytes(tar_of({"n01.tar": inner}))
    assert "is damaged, cut short" in message(tmp_path / "official", tmp_path / "index")


ODD = {
    "grey": noise(1, mode="L"),
    "CMYK": noise(2, mode="CMYK"),
    "a PNG": noise(3, form="png"),
    "a palette": noise(4, mode="P", form="png"),
    "transparent": noise(5, mode="RGBA", form="png"),
    "EXIF that is damaged": noise(6).replace(b"\xff\xd8", b"\xff\xd8\xff\xe1\x00\x10Exif\0\0MM\0*\xff\xff\xff\xff", 1),
}


@pytest.mark.parametrize("kind", ODD)
def test_images_as_they_occur_in_imagenet_are_read_in_colour(tmp_path, kind):
    files = image_files() | {"train/n01/odd.JPEG": ODD[kind]}
    index = indexed(write_folder(tmp_path / "images", files), tmp_path / "index")
    number = next(n for n in range(len(index.train)) if index.train.path(n).endswith("odd.JPEG"))
    image = index.train.image(number)
    assert image.mode == "RGB"
    assert image.size == (90, 80)


def test_an_orientation_is_ignored(tmp_path):
    image = Image.open(io.BytesIO(noise(1)))
    exif = image.getexif()
    exif[0x0112] = 6  # turned by a quarter
    turned = io.BytesIO()
    image.save(turned, "jpeg", exif=exif)
    files = image_files() | {"train/n01/turned.JPEG": turned.getvalue()}
    index = indexed(write_folder(tmp_path / "images", files), tmp_path / "index")
    number = next(n for n in range(len(index.train)) if index.train.path(n).endswith("turned.JPEG"))
    assert index.train.image(number).size == (90, 80)


# Sixteen bits a channel, of which Pillow would keep eight in silence.
DEEP = encoded(Image.fromarray(np.full((80, 80), 300, dtype=np.uint16)), "png")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"train/n01/bad.JPEG": b""}, "train/n01/bad.JPEG' has 0 bytes"),
        ({"train/n01/bad.JPEG": noise(1)[:900]}, "train/n01/bad.JPEG' is not a readable image"),
        ({"train/n01/deep.png": DEEP}, "train/n01/deep.png' has 16 bits a channel"),
        ({"train/n01/bad.JPEG": b"text"}, "train/n01/bad.JPEG' is not a readable image"),
        ({"test/n03/a.JPEG": noise(1)}, "class 'n03' is in only one of train and test"),
        ({"train/n03/a.JPEG": noise(1)}, "class 'n03' is in only one of train and test"),
        ({"train/n01/notes.txt": b"text"}, "move it elsewhere"),
        ({"train/n01/bomb.JPEG": encoded(Image.new("L", (20_000, 8_000)))}, "bomb.JPEG' is 20000x8000"),
    ],
)
def test_what_cannot_be_learned_from_is_named(tmp_path, files, words):
    source = write_folder(tmp_path / "images", image_files() | files)
    assert words in message(source, tmp_path / "index")


def test_test_images_without_labels_or_under_another_name_are_refused_before_any_is_read(tmp_path):
    files = {path: content for path, content in image_files().items() if path.startswith("train")} | {
        "train/n01/bad.JPEG": b"which is not read"
    }
    flat = write_folder(tmp_path / "flat", files | {"test/ILSVRC2012_val_00000001.JPEG": noise(1)})
    said = message(flat, tmp_path / "index")
    assert "test/ILSVRC2012_val_00000001.JPEG' lies in no folder of a class, so its label is unknown" in said
    val = write_folder(tmp_path / "val", files | {"val/n01/a.JPEG": noise(1), "val/n02/b.JPEG": noise(2)})
    assert "holds val/ and no test/; rename it; expected test/<class>/<image>" in message(val, tmp_path / "index")


def test_a_folder_of_as_many_images_and_classes_as_imagenet_has_is_imagenet(tmp_path, monkeypatch):
    monkeypatch.setattr(scan_module, "IMAGENET", (16, 4, 2))
    names = []
    for number, more in enumerate(({}, {"train/n01/more.JPEG": noise(5)})):
        folder = write_folder(tmp_path / f"images_{number}", image_files() | more)
        names.append(indexed(folder, tmp_path / f"index_{number}").name)
    assert names == ["imagenet", "imagefolder"]


@pytest.mark.parametrize("kind", ["folder", "tar", "official"])
def test_the_progress_of_a_scan_is_told_against_the_bytes_of_all_images(tmp_path, monkeypatch, kind):
    source, files = tmp_path / "source", image_files()
    if kind == "official":
        official(source, monkeypatch)
    elif kind == "tar":
        source.write_bytes(tar_of(files))
    else:
        write_folder(source, files)
        (source / "notes.txt").write_bytes(b"beside the images")
    (tmp_path / "index").mkdir()
    sizes: list[int] = []
    scan(Dataset(source=str(source)), tmp_path / "index", sizes.append)
    assert sum(sizes) == sum(map(len, files.values()))
    headers = 0 if kind == "folder" else 1024 * (len(files) + 30)
    assert sum(sizes) <= bytes_of(source) <= sum(sizes) + headers


def test_no_source_and_no_images_are_said(tmp_path):
    assert "no such file or folder" in message(tmp_path / "nowhere", tmp_path / "index")
    (tmp_path / "empty").mkdir()
    assert "found 0 train and 0 test images" in message(tmp_path / "empty", tmp_path / "index")


def test_an_image_that_changed_after_it_was_indexed_is_named_when_it_is_read(tmp_path):
    source = write_folder(tmp_path / "images", image_files())
    index = indexed(source, tmp_path / "index")
    (source / "train/n01/0.JPEG").write_bytes(noise(99))
    (source / "train/n01/1.JPEG").unlink()
    for number, words in ((0, "has changed since it was indexed"), (1, "cannot be read")):
        with pytest.raises(DataError, match=f"train/n01/{number}.JPEG.*{words}"):
            index.train.image(number)


def test_what_tools_leave_is_passed_over_and_counted(tmp_path):
    files = image_files() | {"train/.DS_Store": b"x", "train/n01/Thumbs.db": b"x"}
    (tmp_path / "index").mkdir()
    passed_over = scan(Dataset(source=str(write_folder(tmp_path / "images", files))), tmp_path / "index")
    assert passed_over == {".DS_Store": 1, "Thumbs.db": 1}


def test_what_lies_beside_the_images_is_not_read(tmp_path):
    source = write_folder(tmp_path / "images", image_files())
    with open(source / "backup.tar", "wb") as file:
        file.truncate(2**40)  # more than any memory
    (tmp_path / "index").mkdir()
    assert scan(Dataset(source=str(source)), tmp_path / "index") == {}


def test_a_class_balanced_subset_keeps_the_same_images_of_every_source(tmp_path):
    files = image_files()
    folder, tar = write_folder(tmp_path / "folder", files), tmp_path / "images.tar"
    tar.write_bytes(tar_of(files))
    kept = []
    for number, source in enumerate((folder, tar)):
        (tmp_path / f"{number}").mkdir()
        scan(Dataset(source=str(source), train_size=6, test_size=2, seed=3), tmp_path / f"{number}")
        train = open_index(tmp_path / f"{number}", source).train
        assert np.bincount(train.labels).tolist() == [3, 3]
        kept.append([train.path(each) for each in range(len(train))])
    assert kept[0] == kept[1]
    with pytest.raises(UsageError, match="dataset.train_size: found 18, but a class-balanced choice .* at most 16"):
        scan(Dataset(source=str(folder), train_size=18), tmp_path / "0")
