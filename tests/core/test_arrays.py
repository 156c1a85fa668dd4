"""A data set on disk opens as a whole, or not at all: every byte is checked and nothing is unpickled."""

import json

import numpy as np
import pytest

from rethinking.core.arrays import open_dataset, raw_fingerprint, save_arrays
from rethinking.core.errors import DataError
from rethinking.core.files import seal
from tests.sources.archives import MakesAFolder, noise

ARRAYS = {
    "train_images": noise(0, (20, 8, 8, 3)),
    "train_labels": np.arange(20) % 4,
    "test_images": noise(1, (8, 8, 8, 3)),
    "test_labels": np.arange(8) % 4,
}
META = {"dataset": "tiny", "class_names": ["a", "b", "c", "d"]}
NEW_LABELS = np.arange(20)[::-1] % 4


def save(folder, arrays, meta):
    folder.mkdir()
    save_arrays(folder, arrays, meta)
    return folder


def save_corrupted(folder, raw, arrays):
    meta = {"raw": raw_fingerprint(json.loads((raw / "meta.json").read_text())), "corruption": {"kind": "labels"}}
    return save(folder, {"train_true_labels": ARRAYS["train_labels"], **arrays}, meta)


@pytest.fixture
def raw(tmp_path):
    return save(tmp_path / "raw", ARRAYS, META)


@pytest.fixture
def corrupted(tmp_path, raw):
    return save_corrupted(tmp_path / "corrupted", raw, {"train_labels": NEW_LABELS})


def test_a_raw_set_opens_as_it_was_saved(raw):
    data = open_dataset(raw)
    assert (data.name, data.class_names, data.classes) == ("tiny", ["a", "b", "c", "d"], 4)
    assert all(np.array_equal(getattr(data, name), array) for name, array in ARRAYS.items())
    assert np.array_equal(data.train_true_labels, ARRAYS["train_labels"])
    assert data.corruption["kind"] == "none"
    with pytest.raises(ValueError, match="read-only"):
        data.train_images[0] = 0


def test_a_corrupted_set_opens_over_its_raw_set(raw, corrupted):
    data = open_dataset(corrupted, raw)
    assert np.array_equal(data.train_labels, NEW_LABELS)
    assert np.array_equal(data.train_true_labels, ARRAYS["train_labels"])
    assert np.array_equal(data.train_images, ARRAYS["train_images"])
    assert data.corruption == {"kind": "labels"}


def test_corrupted_images_replace_the_raw_ones(tmp_path, raw):
    images = noise(2, (20, 4, 4, 3)).astype(np.float16)
    data = open_dataset(save_corrupted(tmp_path / "c", raw, {"train_images": images}), raw)
    assert np.array_equal(data.train_images, images)
    assert np.array_equal(data.test_images, ARRAYS["test_images"])


def test_the_fingerprint_tells_every_byte(tmp_path, raw, corrupted):
    labels = NEW_LABELS.copy()
    labels[0] = (labels[0] + 1) % 4
    other = save_corrupted(tmp_path / "other", raw, {"train_labels": labels})
    same = save_corrupted(tmp_path / "same", raw, {"train_labels": NEW_LABELS})
    one, two, again = (open_dataset(folder, raw).fingerprint for folder in (corrupted, other, same))
    assert one == again != two


@pytest.mark.parametrize("name", [*ARRAYS, "train_true_labels"])
def test_one_flipped_byte_names_its_file(raw, corrupted, name):
    path = (corrupted if name in ("train_labels", "train_true_labels") else raw) / f"{name}.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}\.npy is damaged .*dvc repro"):
        open_dataset(corrupted, raw)


def test_a_missing_array_is_named(raw):
    (raw / "test_labels.npy").unlink()
    with pytest.raises(DataError, match=r"test_labels\.npy"):
        open_dataset(raw)


def test_an_array_that_was_never_saved_is_named(tmp_path):
    folder = save(tmp_path / "half", {"train_images": ARRAYS["train_images"]}, META)
    with pytest.raises(DataError, match=r"has no train_labels\.npy"):
        open_dataset(folder)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"sha256'])
def test_a_folder_without_a_readable_meta_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "meta.json").write_text(content)
    with pytest.raises(DataError, match=r"holds no readable meta\.json"):
        open_dataset(tmp_path)


def test_a_pickled_array_is_refused_unread_although_its_hash_is_right(raw, tmp_path):
    path = raw / "train_images.npy"
    np.save(path, np.array([MakesAFolder(tmp_path / "trace")], dtype=object), allow_pickle=True)
    meta = json.loads((raw / "meta.json").read_text())
    (raw / "meta.json").unlink()
    seal(raw, {"dataset": meta["dataset"], "class_names": meta["class_names"]})
    with pytest.raises(DataError, match=r"train_images\.npy"):
        open_dataset(raw)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("name", "dtype", "allowed"),
    [
        ("train_images", "float64", "uint8 or float16"),
        ("test_images", "float32", "uint8"),
        ("train_labels", "int32", "int64"),
    ],
)
def test_arrays_of_another_type_are_refused(tmp_path, name, dtype, allowed):
    folder = save(tmp_path / "odd", {**ARRAYS, name: ARRAYS[name].astype(dtype)}, META)
    with pytest.raises(DataError, match=rf"{name}\.npy has dtype {dtype}; expected {allowed}"):
        open_dataset(folder)


def test_another_raw_set_is_refused(tmp_path, corrupted):
    other = save(tmp_path / "other", {**ARRAYS, "train_images": noise(9, (20, 8, 8, 3))}, META)
    with pytest.raises(DataError, match="was made from another raw set"):
        open_dataset(corrupted, other)


def test_a_corrupted_set_needs_its_raw_set(corrupted):
    with pytest.raises(DataError, match="name its raw set too"):
        open_dataset(corrupted)
