"""CIFAR's official archives, by small fakes of their exact form: nothing is unpickled before its MD5 matched."""

import gzip
import hashlib
import os
import pickle
import stat

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, CIFAR100

from rethinking.core.errors import DataError
from rethinking.sources import cifar10, cifar100
from tests.sources.archives import MakesAFolder, image_files, noise, write_folder, write_tar, write_zip
from tests.sources.python2_pickle import python2_pickle

SOURCES = {CIFAR10: cifar10, CIFAR100: cifar100}
PER_FILE = 200
BATCH = "cifar-10-batches-py/data_batch_3"


def publish(monkeypatch, dataset, files):
    """Let torchvision name the MD5s of these files, as it names those of the official ones."""

    def with_md5(name):
        return hashlib.md5(files[f"{dataset.base_folder}/{name}"]).hexdigest()

    for attribute in ("train_list", "test_list"):
        names = [name for name, _ in getattr(dataset, attribute)]
        monkeypatch.setattr(dataset, attribute, [[name, with_md5(name)] for name in names])
    monkeypatch.setattr(dataset, "meta", {**dataset.meta, "md5": with_md5(dataset.meta["filename"])})


def official_files(dataset):
    """Files of the official names and keys, 200 images each, last file first."""
    classes, key = (10, b"labels") if dataset is CIFAR10 else (100, b"fine_labels")
    labels = [int(label) for label in np.arange(PER_FILE) % classes]
    names = [f"class {label}" for label in range(classes)]
    files = {dataset.meta["filename"]: {dataset.meta["key"].encode(): names, b"num_vis": 3072}}
    for seed, (name, _) in enumerate(dataset.train_list + dataset.test_list):
        coarse = {b"coarse_labels": [0] * PER_FILE} if dataset is CIFAR100 else {}
        files[name] = {b"batch_label": name, key: labels, b"data": noise(seed, (PER_FILE, 3072)), **coarse}
    pickled = {f"{dataset.base_folder}/{name}": python2_pickle(value) for name, value in files.items()}
    return dict(reversed(pickled.items()))


@pytest.fixture
def files(monkeypatch):
    files = official_files(CIFAR10)
    publish(monkeypatch, CIFAR10, files)
    return files


@pytest.mark.parametrize("write", [write_tar, write_zip, write_folder])
@pytest.mark.parametrize("dataset", [CIFAR10, CIFAR100])
def test_the_official_layout_is_read(monkeypatch, tmp_path, dataset, write):
    files = official_files(dataset)
    publish(monkeypatch, dataset, files)
    path = write(tmp_path / "official", {**files, f"{dataset.base_folder}/readme.html": b"<html>"})
    data = SOURCES[dataset].read(str(path), tmp_path)

    classes = 10 if dataset is CIFAR10 else 100
    assert (data.name, data.source_kind) == (SOURCES[dataset].__name__.rpartition(".")[2], "official archive")
    assert data.class_names == [f"class {label}" for label in range(classes)]
    assert data.train_images.shape == (PER_FILE * len(dataset.train_list), 32, 32, 3)
    assert data.train_images.dtype == np.uint8
    assert data.test_labels.dtype == np.int64
    assert data.test_labels.tolist() == [label % classes for label in range(PER_FILE)]
    for number in range(len(dataset.train_list)):
        red_green_blue = noise(number, (PER_FILE, 3072)).reshape(PER_FILE, 3, 32, 32)
        found = data.train_images[number * PER_FILE : (number + 1) * PER_FILE]
        assert np.array_equal(found.transpose(0, 3, 1, 2), red_green_blue)


def test_the_official_archive_is_downloaded_once_and_not_left_unpacked(monkeypatch, tmp_path, files, web):
    folder, address = web
    archive = write_tar(folder / CIFAR10.filename, files)
    monkeypatch.setattr(CIFAR10, "url", f"{address}/{CIFAR10.filename}")
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    data = cifar10.read("official", tmp_path / "downloads")
    assert data.source_kind == "official archive"
    archive.unlink()
    again = cifar10.read("official", tmp_path / "downloads")
    assert np.array_equal(data.train_images, again.train_images)
    assert list((tmp_path / "downloads").iterdir()) == [again.source_path]


@pytest.fixture
def hostile(tmp_path):
    """The pickle of code that makes the folder `trace`; none of the tests may leave one."""
    pickled = pickle.dumps(MakesAFolder(tmp_path / "trace"))
    yield pickled
    assert not (tmp_path / "trace").exists()
    pickle.loads(pickled)
    assert (tmp_path / "trace").exists(), "the pickle of this test is harmless"


@pytest.mark.parametrize("write", [write_tar, write_zip, write_folder])
@pytest.mark.parametrize("name", [BATCH, "cifar-10-batches-py/test_batch", "cifar-10-batches-py/batches.meta"])
def test_a_file_of_another_md5_is_refused_before_unpickling(tmp_path, files, hostile, write, name):
    path = write(tmp_path / "official", {**files, name: hostile})
    with pytest.raises(DataError, match=rf"'{name}' in .* has MD5 {hashlib.md5(hostile).hexdigest()}; the official"):
        cifar10.read(str(path), tmp_path)


def test_a_packed_file_of_another_md5_is_refused_before_unpickling(tmp_path, files, hostile):
    path = write_tar(tmp_path / "official", {**files, f"{BATCH}.gz": gzip.compress(hostile)})
    with pytest.raises(DataError, match=rf"'{BATCH}\.gz' .* has MD5 {hashlib.md5(hostile).hexdigest()} unpacked"):
        cifar10.read(str(path), tmp_path)


@pytest.mark.parametrize("first", [True, False])
def test_a_second_file_of_an_official_name_is_refused_wherever_it_stands(tmp_path, files, hostile, first):
    second = {"data_batch_3": hostile}
    path = write_tar(tmp_path / "official", {**second, **files} if first else {**files, **second})
    with pytest.raises(DataError, match="'data_batch_3' in .* has MD5"):
        cifar10.read(str(path), tmp_path)


def test_a_folder_that_changes_after_the_check_is_not_read_again(monkeypatch, tmp_path, files, hostile):
    folder, check, modes = write_folder(tmp_path / "official", files), CIFAR10._check_integrity, set()

    def check_then_swap(dataset):
        intact = check(dataset)
        modes.add(stat.S_IMODE(os.stat(dataset.root).st_mode))
        write_folder(folder, dict.fromkeys(files, hostile))
        return intact

    monkeypatch.setattr(CIFAR10, "_check_integrity", check_then_swap)
    assert len(cifar10.read(str(folder), tmp_path).train_labels) == 5 * PER_FILE
    assert modes == {0o700}, "another user could change what torchvision checks and then unpickles"


def test_a_missing_member_is_named(tmp_path, files):
    del files[BATCH]
    with pytest.raises(DataError, match="lacks 'data_batch_3'"):
        cifar10.read(str(write_tar(tmp_path / "official", files)), tmp_path)


def test_an_archive_of_something_else_is_refused(tmp_path):
    path = write_tar(tmp_path / "else.tar", {"notes.txt": b"nothing to see"})
    with pytest.raises(DataError, match="holds neither the official files of cifar10 nor train/<class>"):
        cifar10.read(str(path), tmp_path)


def test_image_files_are_not_called_cifar10_proper(tmp_path):
    images = image_files([f"class{n}" for n in range(10)], per_class=1, shape=(32, 32, 3))
    data = cifar10.read(str(write_tar(tmp_path / "images.tar", images)), tmp_path)
    assert (data.name, data.source_kind) == ("cifar10-png", "image files (png)")


@pytest.mark.parametrize(("classes", "size", "problem"), [(9, 32, "found 9 classes"), (10, 28, r"\(28, 28, 3\)")])
def test_image_files_must_look_like_cifar10(tmp_path, classes, size, problem):
    images = image_files([f"class{n}" for n in range(classes)], per_class=1, shape=(size, size, 3))
    with pytest.raises(DataError, match=problem):
        cifar10.read(str(write_tar(tmp_path / "images.tar", images)), tmp_path)


def test_a_stray_file_that_comes_before_the_images_of_cifar10_is_named(tmp_path):
    images = image_files([f"class{n}" for n in range(10)], per_class=1, shape=(32, 32, 3))
    path = write_tar(tmp_path / "images.tar", {"train/class0/0.xcf": b"x", **images})
    with pytest.raises(DataError, match=r"'train/class0/0.xcf' is no train/<class>"):
        cifar10.read(str(path), tmp_path)
