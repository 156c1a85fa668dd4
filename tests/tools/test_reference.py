"""A reference holds what has run and what it was measured on, checks what it was recorded from, and fails another."""

import json

import pytest

from rethinking.core import config
from rethinking.core.files import read_json, write_json, write_text
from rethinking.core.tables import read_table, records, write_table
from tests.conftest import ROOT
from tests.results.made import write_metrics
from tests.tools.test_check import write_set


def take_from_project(folder, *names):
    for name in names:
        write_text(folder / name, (ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture
def grid(tmp_path):
    """A working copy in which a grid of three seeds has run and `make report` has been called."""
    write_metrics(tmp_path / "metrics", seeds=(0, 1, 2))
    for name in ("metrics/claims.md", "plots/paper/figure_1a.png"):
        write_text(tmp_path / name, name)
    take_from_project(tmp_path, "params.yaml", *(f"paper/{n}.yaml" for n in ("params", "cifar10", "cifar100", "mnist")))
    take_from_project(tmp_path, "imagenet/params.yaml", "imagenet/imagenet.yaml")
    write_text(tmp_path / "paper/dvc.lock", "stages: {a: {}, b: {}, c: {}}")
    write_text(tmp_path / "imagenet/dvc.lock", "stages: {evaluate: {}}")
    for name in ("cifar10", "cifar100", "mnist", "imagenet", "raw"):
        write_set(tmp_path / "data" / name, 0, 1)
    lines = [
        {"stage": f"paper/dvc.yaml:{name}", "seconds": 5.0, "threads": 2, "done": True} for name in ("b", "a", "z")
    ]
    write_text(tmp_path / "live/times.jsonl", "\n".join(map(json.dumps, lines)))
    return tmp_path


@pytest.fixture
def recorded(grid, run_stage):
    """The same, recorded as the reference `kept`."""
    assert run_stage("tools.record_reference", "--out", "kept").returncode == 0
    return grid


CHECK = ("--runs", "metrics/cifar10/runs.csv", "--data", "data/cifar10", "--reference", "kept")


def test_a_reference_checks_what_it_was_recorded_from_and_fails_other_metrics_and_data(recorded, run_stage):
    assert list(read_json(recorded / "kept/data.json")) == [
        "data/cifar10",
        "data/cifar100",
        "data/mnist",
        "data/imagenet",
    ]  # no headline
    assert run_stage("tools.check", *CHECK).returncode == 0
    runs = read_table(recorded / "metrics/cifar10/runs.csv")
    runs.loc[runs["run"] == "mlp_1x512-none-plain-1", "train_accuracy"] = 0.5
    write_table(recorded / "metrics/cifar10/runs.csv", runs)
    done = run_stage("tools.check", *CHECK)
    assert (done.returncode, "mlp_1x512-none-plain, seed 1: train_accuracy is 0.5" in done.stdout) == (1, True)
    write_set(recorded / "data/cifar10", 1, 0)
    assert "train_labels.npy: its bytes are not the reference's" in run_stage("tools.check", *CHECK).stdout


def test_a_check_of_some_data_sets_asks_for_no_others(recorded, run_stage):
    hashes = read_json(recorded / "kept/data.json")
    write_json(recorded / "kept/data.json", hashes | {"data/corrupted/cifar10/none": {"train_labels.npy": "12"}})
    assert run_stage("tools.check", *CHECK).returncode == 0
    done = run_stage("tools.check", *CHECK[:4], "data/corrupted", *CHECK[4:])
    assert "data/corrupted/cifar10/none: not made" in done.stdout


def test_a_check_that_compares_no_data_does_not_pass(recorded, run_stage):
    done = run_stage("tools.check", *CHECK[:2], "--data", recorded / "data/cifar10", *CHECK[4:])
    assert (done.returncode, f"data.json has none of {recorded}/data/cifar10" in done.stderr) == (1, True)


def test_a_reference_says_with_what_on_what_and_how_long(recorded):
    environment = read_json(recorded / "kept/environment.json")
    assert environment["packages"]["torch"]
    assert environment["cores"] >= 1
    assert environment["device"]
    assert records(read_table(recorded / "kept/times.csv")) == [  # without z, which is not in the lock
        {"stage": f"paper/dvc.yaml:{name}", "seconds": 5, "threads": 2} for name in ("a", "b")
    ]
    for name in ("params.yaml", "paper/params.yaml", "paper/mnist.yaml", "paper/dvc.lock"):
        assert (recorded / "kept" / name).read_bytes() == (recorded / name).read_bytes()
    assert (recorded / "kept/plots/paper/figure_1a.png").exists()


def test_a_grid_that_has_not_run_is_left_out_and_nothing_at_all_is_refused(grid, run_stage, failure):
    write_table(grid / "metrics/mnist/runs.csv", read_table(grid / "metrics/mnist/runs.csv")[:0])
    write_json(grid / "metrics/theory/mnist/summary.json", {"kernel": {}})
    write_json(grid / "metrics/theory/cifar10/summary.json", {"expressivity": {"dataset": "cifar10"}})
    write_set(grid / "data/theory/cifar10", 0, 1)
    take_from_project(grid, "theory/cifar10.yaml")
    write_text(grid / "theory/dvc.lock", "stages: {}")
    assert run_stage("tools.record_reference", "--out", "kept").returncode == 0
    assert sorted(path.name for path in (grid / "kept/metrics").iterdir() if path.is_dir()) == [
        "cifar10",
        "cifar100",
        "imagenet",
        "theory",
    ]
    assert [path.name for path in (grid / "kept/metrics/theory").iterdir()] == ["cifar10"]
    assert not (grid / "kept/paper/mnist.yaml").exists()
    code, message = failure("tools.record_reference", "--metrics", "none", "--out", "other")
    assert (code, "none holds no result" in message) == (1, True)


def test_what_is_missing_is_named_and_leaves_no_half_reference(grid, failure):
    (grid / "metrics/claims.md").unlink()
    code, message = failure("tools.record_reference", "--out", "kept")
    assert (code, "metrics/claims.md: no such file" in message) == (1, True)
    assert not list(grid.glob("*kept*"))


def test_a_place_on_this_machine_is_refused(grid, failure):
    path = grid / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("source: official", "source: /home/me/cifar10.tar.gz"))
    code, message = failure("tools.record_reference", "--out", "kept")
    assert (code, "dataset.source: found '/home/me/cifar10.tar.gz'" in message) == (2, True)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("kind: labels", "kind: given").replace(config.TRUE_LABELS, "/home/me/human.npy"))
    code, message = failure("tools.record_reference", "--out", "kept")
    assert (code, "corrupt.labels: found '/home/me/human.npy'" in message) == (2, True)


def test_a_folder_that_is_no_reference_is_not_replaced(grid, run_stage, failure):
    write_text(grid / "thesis/chapter.tex", "years of work")
    code, message = failure("tools.record_reference", "--out", "thesis")
    assert (code, "--out: thesis holds something else" in message) == (2, True)
    assert (grid / "thesis/chapter.tex").exists()
    for _ in range(2):  # a reference is replaced
        assert run_stage("tools.record_reference", "--out", "kept").returncode == 0
