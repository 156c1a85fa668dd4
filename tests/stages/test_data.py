"""`python -m stages.fetch` and `stages.corrupt` as DVC runs them: whole, or one sentence and nothing left behind."""

import json
import os

import numpy as np
import pytest

from rethinking.core.arrays import open_dataset
from tests.sources.archives import cut, image_files, write_folder, write_tar
from tests.synthetic import lit_data, save_raw

IMAGES = image_files(per_class=60, shape=(32, 32, 3))


@pytest.fixture
def fetch_parameters(tmp_path, write_parameters):
    """A parameter file for 120 train and 120 test images of two classes, or for another source."""

    def write(source=None, **changes):
        path = source or write_folder(tmp_path / "set", IMAGES)
        return write_parameters({"dataset": {"name": "imagefolder", "source": str(path), **changes}})

    return write


@pytest.fixture
def raw(tmp_path):
    """A raw set as fetch writes it."""
    return save_raw(tmp_path / "data/raw", lit_data(120, 40))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_fetch_writes_the_whole_data_set_and_where_it_came_from(tmp_path, fetch_parameters, run_stage):
    assert run_stage("fetch", "--params", fetch_parameters(), "--out", "raw").returncode == 0
    data, meta = open_dataset(tmp_path / "raw"), json.loads((tmp_path / "raw/meta.json").read_text())
    assert data.train_images.shape == data.test_images.shape == (120, 32, 32, 3)
    assert (meta["train_size"], meta["classes"], meta["image_shape"]) == (120, 2, [32, 32, 3])
    assert meta["source"]["kind"] == "image files (png)"
    assert len(meta["source"]["sha256"]) == 64
    assert str(tmp_path) not in json.dumps(meta)


def test_fetch_takes_a_balanced_subset(tmp_path, fetch_parameters, run_stage):
    parameters = fetch_parameters(train_size=50, test_size=30, seed=1)
    assert run_stage("fetch", "--params", parameters, "--out", "raw").returncode == 0
    data = open_dataset(tmp_path / "raw")
    assert np.bincount(data.train_labels).tolist() == [25, 25]
    assert np.bincount(data.test_labels).tolist() == [15, 15]


@pytest.mark.parametrize(
    ("source", "sizes", "code", "words"),
    [
        (None, {"train_size": 121}, 2, "dataset.train_size: found 121"),
        ("set.tar.gz", {}, 1, "set.tar.gz' is damaged or cut short"),
        ("absent.tar.gz", {}, 1, "dataset.source: no such file or folder 'absent.tar.gz'"),
    ],
)
def test_what_cannot_be_fetched_is_one_sentence(tmp_path, fetch_parameters, failure, source, sizes, code, words):
    cut(write_tar(tmp_path / "set.tar.gz", IMAGES))
    found, message = failure("fetch", "--params", fetch_parameters(source, **sizes), "--out", "out/raw")
    assert (found, words in message) == (code, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("key", ["dataset.input_size", "archs.mlp_1x512.input_size"])
def test_images_smaller_than_a_networks_input_are_found_by_fetch(tmp_path, write_parameters, failure, run_stage, key):
    source = write_folder(tmp_path / "small", image_files(shape=(24, 24, 3)))
    dataset = {"dataset": {"name": "imagefolder", "source": str(source), "input_size": 24}}
    code, message = failure("fetch", "--params", write_parameters({**dataset, key: 25}), "--out", "raw")
    assert (code, message.endswith("are only 24 pixels wide; set at most 24")) == (2, True)
    assert f"error: {key}: found 25" in message
    assert not (tmp_path / "raw").exists()
    assert run_stage("fetch", "--params", write_parameters(dataset), "--out", "raw").returncode == 0


def test_fetch_prints_what_it_passed_over(tmp_path, fetch_parameters, run_stage):
    parameters = fetch_parameters()
    write_folder(tmp_path / "set", {"train/.ipynb_checkpoints/1.png": b"", "test/cat/.DS_Store": b""})
    printed = run_stage("fetch", "--params", parameters, "--out", "raw").stdout.splitlines()
    assert printed == [
        "passed over: 1 x .DS_Store, 1 x .ipynb_checkpoints",
        "imagefolder: 120 train and 120 test images, image files (png)",
    ]


def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path, fetch_parameters, failure):
    code, message = failure("fetch", "--params", fetch_parameters(), "--out", "out/raw", max_file_bytes=2**18)
    assert code == 1
    assert "train_images.npy" in message
    assert not list((tmp_path / "out").iterdir())


def test_a_full_disk_leaves_the_data_set_before_alone(raw, fetch_parameters, failure):
    before = contents(raw)
    code, _ = failure("fetch", "--params", fetch_parameters(), "--out", raw, max_file_bytes=2**18)
    assert code == 1
    assert contents(raw) == before
    assert list(raw.parent.iterdir()) == [raw]


def test_a_full_disk_leaves_nothing_of_unpacked_official_files(tmp_path, real_data, write_parameters, failure):
    parameters = write_parameters({"dataset": {"name": "mnist", "source": str(real_data("mnist"))}})
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    options = {"environment": environment, "max_file_bytes": 2**18}
    code, message = failure("fetch", "--params", parameters, "--out", "out/raw", **options)
    assert (code, "t10k-images-idx3-ubyte" in message, "is the disk full?" in message) == (1, True, True)
    assert not [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["labels", "random_pixels"])
def test_corrupt_writes_the_change_its_audit_and_the_same_bytes_twice(tmp_path, raw, write_parameters, run_stage, kind):
    parameters = write_parameters({"corrupt.kind": kind, "corrupt.seed": 2})
    for out in ("one", "two"):
        assert run_stage("corrupt", "--params", parameters, "--raw", raw, "--out", out).returncode == 0
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    audit = json.loads(one["audit.json"])
    level = 1.0 if kind == "labels" else 0.0  # a level means nothing to pixels
    assert (audit["kind"], audit["level"], audit["seed"], audit["ok"]) == (kind, level, 2, True)
    assert ("train_images.npy" in one) == (kind == "random_pixels")
    data = open_dataset(tmp_path / "one", raw)
    assert np.array_equal(data.train_true_labels, open_dataset(raw).train_labels)
    assert np.array_equal(data.train_labels, data.train_true_labels) == (kind == "random_pixels")
    assert np.array_equal(data.test_labels, open_dataset(raw).test_labels)


def test_corrupt_takes_given_labels_and_audits_them_by_class(tmp_path, raw, write_parameters, run_stage):
    human = np.load(raw / "train_labels.npy")
    human[:30] = (human[:30] + 1) % 10
    np.save(tmp_path / "human.npy", human)
    parameters = write_parameters({"corrupt.kind": "given", "corrupt.labels": "human.npy"})
    done = run_stage("corrupt", "--params", parameters, "--raw", raw, "--out", "out")
    assert done.stdout == "given: 25.00% changed\n"
    data = open_dataset(tmp_path / "out", raw)
    assert np.array_equal(data.train_labels, human)
    assert np.array_equal(data.train_true_labels, np.load(raw / "train_labels.npy"))
    assert dict(data.corruption) == {"kind": "given", "level": 0.0, "seed": 0}
    audit = json.loads((tmp_path / "out/audit.json").read_text())
    assert (audit["kind"], audit["changed"], len(audit["changed_by_class"])) == ("given", 0.25, 10)
    assert np.sum(audit["confusion"]) == 120


def test_given_labels_of_other_images_are_one_sentence(tmp_path, raw, write_parameters, failure):
    np.save(tmp_path / "human.npy", np.zeros(119, int))
    parameters = write_parameters({"corrupt.kind": "given", "corrupt.labels": "human.npy"})
    code, message = failure("corrupt", "--params", parameters, "--raw", raw, "--out", "out")
    assert (code, "corrupt.labels: 'human.npy' cannot be used: found 119 labels" in message) == (1, True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["labels-1.5", "lables-0.5", "labels"])
def test_corrupt_refuses_a_name_that_is_no_corruption(tmp_path, raw, write_parameters, failure, name):
    code, message = failure("corrupt", "--params", write_parameters(), "--name", name, "--raw", raw, "--out", "out")
    assert code == 2
    assert f"'{name}'" in message or "did you mean 'labels'" in message
    assert not (tmp_path / "out").exists()


def test_corrupt_refuses_a_crop_larger_than_the_images(tmp_path, raw, write_parameters, failure):
    parameters = write_parameters({"dataset.input_size": 33})
    code, message = failure("corrupt", "--params", parameters, "--raw", raw, "--out", "out")
    assert (code, "dataset.input_size: found 33" in message) == (2, True)
    assert not (tmp_path / "out").exists()


def test_corrupt_refuses_a_damaged_raw_set(tmp_path, raw, write_parameters, failure):
    with open(raw / "train_labels.npy", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\7")
    code, message = failure("corrupt", "--params", write_parameters(), "--raw", raw, "--out", "out")
    assert (code, "train_labels.npy is damaged" in message) == (1, True)
    assert not (tmp_path / "out").exists()
