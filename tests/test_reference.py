"""A reference holds what has run and what it was measured on, checks what it was recorded from, and fails another."""

import json

import numpy as np
import pytest

from stages.data.arrays import save_arrays
from stages.files import read_csv, read_json, write_json, write_text
from tests.paper.results import write_metrics


@pytest.fixture
def grid(tmp_path):
    """A working copy in which a grid of three seeds has run and `make report` has been called."""
    write_metrics(tmp_path / "metrics", seeds=(0, 1, 2))
    for name in (
        "metrics/claims.md",
        "plots/paper/figure_1a.png",
        "params.yaml",
        "paper/params.yaml",
        "paper/dvc.lock",
    ):
        write_text(tmp_path / name, name)
    for name in ("cifar10", "raw"):
        (tmp_path / "data" / name).mkdir(parents=True)
        save_arrays(tmp_path / "data" / name, {"train_labels": np.arange(5)}, {})
    lines = [("a", 5.0, True), ("b", 2.0, False), ("b", 3.0, True), ("a", 7.0, True), ("c", 9.0, False)]
    text = "".join(json.dumps({"stage": stage, "seconds": took, "done": done}) + "\n" for stage, took, done in lines)
    (tmp_path / "live").mkdir()
    write_text(tmp_path / "live/times.jsonl", text)
    return tmp_path


CHECK = ("--summary", "metrics/paper/summary.json", "--data", "data/cifar10", "--reference", "kept")


def test_a_reference_checks_what_it_was_recorded_from_and_fails_other_metrics_and_data(grid, run_stage):
    assert run_stage("reference", "--out", "kept").returncode == 0
    assert list(read_json(grid / "kept/data.json")) == ["data/cifar10"]  # raw is the headline's
    assert run_stage("check", *CHECK).returncode == 0
    summary = read_json(grid / "metrics/paper/summary.json")
    summary["mlp_1x512"]["none"]["plain"]["seed-1"]["train_accuracy"] = 0.5
    write_json(grid / "metrics/paper/summary.json", summary)
    done = run_stage("check", *CHECK)
    assert (done.returncode, "mlp_1x512/none/plain/seed-1: train_accuracy is 0.5" in done.stdout) == (1, True)
    (grid / "data/cifar10/meta.json").unlink()
    save_arrays(grid / "data/cifar10", {"train_labels": np.arange(1, 6)}, {})
    assert "train_labels.npy: its bytes are not the reference's" in run_stage("check", *CHECK).stdout


def test_a_check_of_some_data_sets_asks_for_no_others(grid, run_stage):
    assert run_stage("reference", "--out", "kept").returncode == 0
    hashes = read_json(grid / "kept/data.json")
    write_json(grid / "kept/data.json", hashes | {"data/corrupted/cifar10/none": {"train_labels.npy": "12"}})
    assert run_stage("check", *CHECK).returncode == 0
    done = run_stage("check", *CHECK[:4], "data/corrupted", *CHECK[4:])
    assert "data/corrupted/cifar10/none: not made" in done.stdout


def test_a_reference_says_with_what_on_what_and_how_long(grid, run_stage):
    assert run_stage("reference", "--out", "kept").returncode == 0
    environment = read_json(grid / "kept/environment.json")
    assert environment["packages"]["torch"]
    assert environment["cores"] >= environment["threads"] >= 1
    assert environment["device"]
    # Twice whole: the last time counts. Stopped once: both parts. Never whole: no time.
    assert read_csv(grid / "kept/times.csv") == [{"stage": "a", "seconds": 7}, {"stage": "b", "seconds": 5}]
    assert (grid / "kept/dvc.lock").read_text() == "paper/dvc.lock"
    assert (grid / "kept/plots/paper/figure_1a.png").exists()


def test_a_grid_that_has_not_run_is_left_out_and_nothing_at_all_is_refused(grid, run_stage, failure):
    write_json(grid / "metrics/mnist/summary.json", {})
    write_json(grid / "metrics/theory/mnist/summary.json", {"kernel": {}})
    write_json(grid / "metrics/theory/cifar10/summary.json", {"expressivity": {"dataset": "cifar10"}})
    assert run_stage("reference", "--out", "kept").returncode == 0
    assert sorted(path.name for path in (grid / "kept/metrics").iterdir() if path.is_dir()) == [
        "cifar100",
        "paper",
        "theory",
    ]
    assert [path.name for path in (grid / "kept/metrics/theory").iterdir()] == ["cifar10"]
    code, message = failure("reference", "--metrics", "none", "--out", "other")
    assert (code, "none holds no result" in message) == (1, True)


def test_what_is_missing_is_named_and_leaves_no_half_reference(grid, failure):
    (grid / "metrics/claims.md").unlink()
    code, message = failure("reference", "--out", "kept")
    assert (code, "metrics/claims.md: no such file" in message) == (1, True)
    assert not list(grid.glob("*kept*"))
