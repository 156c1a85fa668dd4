"""`python -m tools.export NAME OUT` writes a data set whole, raw or corrupted, readable without this project."""

import json

import numpy as np
import pytest

from rethinking.core.arrays import open_dataset, raw_fingerprint, save_arrays
from tests.sources.archives import noise

TRUE, NEW = np.arange(20) % 4, np.arange(20)[::-1] % 4
ARRAYS = {
    "train_images": noise(0, (20, 8, 8, 3)),
    "train_labels": TRUE,
    "test_images": noise(1, (8, 8, 8, 3)),
    "test_labels": np.arange(8) % 4,
}
EXPORTED = {**ARRAYS, "train_true_labels": TRUE, "train_labels": NEW}
CORRUPTION = {"kind": "labels", "level": 0.5, "seed": 3}


@pytest.fixture
def data(tmp_path):
    """A raw set and one made from it, as the stages leave them below data/."""
    raw, corrupted = tmp_path / "data/raw", tmp_path / "data/corrupted/demo/labels-0.5"
    for folder in (raw, corrupted):
        folder.mkdir(parents=True)
    save_arrays(raw, ARRAYS, {"dataset": "tiny", "class_names": ["a", "b", "c", "d"]})
    of_raw = raw_fingerprint(json.loads((raw / "meta.json").read_text()))
    changed = {"train_labels": NEW, "train_true_labels": TRUE}
    save_arrays(corrupted, changed, {"dataset": "tiny", "raw": of_raw, "corruption": CORRUPTION})
    return tmp_path / "data"


def export(run_stage, *arguments):
    result = run_stage("tools.export", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("name", ["demo/labels-0.5", "corrupted/demo/labels-0.5"])
def test_a_corrupted_set_becomes_a_whole_folder_that_opens_alone(tmp_path, run_stage, data, name):
    assert "train_labels (20,) int64" in export(run_stage, name, "out/folder")
    folder = tmp_path / "out/folder"
    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["dataset"], meta["class_names"], meta["corruption"]) == ("tiny", ["a", "b", "c", "d"], CORRUPTION)
    for array, expected in EXPORTED.items():
        assert np.array_equal(np.load(folder / f"{array}.npy"), expected)
    opened = open_dataset(folder)  # without its raw set
    assert np.array_equal(opened.train_labels, NEW)
    assert np.array_equal(opened.train_true_labels, TRUE)
    assert dict(opened.corruption) == CORRUPTION


def test_a_corrupted_set_becomes_an_npz(tmp_path, run_stage, data):
    export(run_stage, "demo/labels-0.5", "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as exported:
        assert set(exported) == set(EXPORTED)
        assert all(np.array_equal(exported[name], expected) for name, expected in EXPORTED.items())


def test_the_clean_test_labels_go_along_where_others_took_their_place(tmp_path, run_stage, data):
    folder, clean = data / "corrupted/demo/labels-0.5", ARRAYS["test_labels"]
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").unlink()
    save_arrays(folder, {"test_labels": clean[::-1], "test_true_labels": clean}, meta)
    export(run_stage, "demo/labels-0.5", "out.npz")
    assert "test_true_labels (8,) int64" in export(run_stage, "demo/labels-0.5", "out/folder")
    exported = np.load(tmp_path / "out.npz")
    assert np.array_equal(exported["test_labels"], clean[::-1])
    assert np.array_equal(exported["test_true_labels"], clean)
    assert np.array_equal(np.load(tmp_path / "out/folder/test_true_labels.npy"), clean)
    assert np.array_equal(open_dataset(tmp_path / "out/folder").test_labels, clean[::-1])


def test_a_raw_set_is_exported_too(tmp_path, run_stage, data):
    export(run_stage, "raw", "out")
    assert np.array_equal(np.load(tmp_path / "out/train_labels.npy"), TRUE)


def test_an_unknown_name_lists_what_there_is(tmp_path, failure, data):
    code, message = failure("tools.export", "demo/labels-0.9", "out")
    assert code == 2
    assert "NAME: no data set 'demo/labels-0.9'" in message
    assert "demo/labels-0.5, raw" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["data", "exists.npz"])
def test_nothing_is_overwritten(tmp_path, failure, data, out):
    (tmp_path / "exists.npz").write_text("mine")
    code, message = failure("tools.export", "raw", out)
    assert (code, "exists already" in message) == (2, True)
    assert (tmp_path / "exists.npz").read_text() == "mine"
    assert (data / "raw/meta.json").exists()


def test_a_lost_raw_set_is_said(tmp_path, failure, data):
    (data / "raw/meta.json").unlink()
    code, message = failure("tools.export", "demo/labels-0.5", "out.npz")
    assert (code, "no raw set below data is the one this was made from" in message) == (1, True)
    assert not (tmp_path / "out.npz").exists()


def test_a_folder_of_ones_own_beside_the_sets_is_passed_over(run_stage, data):
    (data / "mine").mkdir()
    (data / "mine/meta.json").write_text('{"camera": "my own"}')
    assert "train_labels (20,) int64" in export(run_stage, "demo/labels-0.5", "out.npz")


def test_a_damaged_set_is_not_exported(tmp_path, failure, data):
    path = data / "raw/test_images.npy"
    path.write_bytes(path.read_bytes()[:-1])
    code, message = failure("tools.export", "demo/labels-0.5", "out.npz")
    assert (code, "test_images.npy is damaged" in message) == (1, True)
    assert not (tmp_path / "out.npz").exists()
