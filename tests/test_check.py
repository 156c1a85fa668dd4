"""The reproduction check passes what differs as seeds do, and fails tampered metrics, another seed and other data."""

import copy
import json

import pytest

from stages.comparison import data_differences, differences, runs_of, tolerances
from stages.files import read_json, write_json
from tests.conftest import ROOT


def run(seed, test_accuracy, **changes):
    return {
        "arch": "alexnet",
        "dataset": "digits",
        "corruption": {"kind": "none", "level": 0.0, "seed": 0},
        "seed": seed,
        "parameters": 10,
        "epochs": 5,
        "steps": 40,
        "train_accuracy": 1.0,
        "test_accuracy": test_accuracy,
        "best_test_accuracy": test_accuracy,
        "epochs_to_fit": 4,
        "steps_to_loss_0_1": 30,
        "steps_to_loss_0_01": None,
        "train_loss": 0.001,
        "test_loss": 0.5,
        "clean_subset_accuracy": 1.0,
        "corrupted_subset_accuracy": None,
        "recovered_true_accuracy": None,
        "diverged": False,
    } | changes


def reference():
    seeds = {f"seed-{seed}": run(seed, test) for seed, test in enumerate((0.90, 0.92, 0.94))}
    return {"alexnet": {"none": seeds}}


def fresh(**changes):
    return {"alexnet": {"none": {"seed-0": run(0, 0.90) | changes}}}


def test_the_same_results_agree():
    assert differences(fresh(), reference()) == []


def test_the_tolerance_is_the_spread_over_seeds():
    # Three seeds 0.02 apart: a standard deviation of 0.02, of a difference sqrt(2) times that.
    assert tolerances(reference())["test_accuracy"] == pytest.approx(3.3 * 2**0.5 * 0.02)
    assert differences(fresh(test_accuracy=0.98), reference()) == []
    assert len(differences(fresh(test_accuracy=0.79), reference())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"train_accuracy": 0.99},
        {"train_loss": 0.002},
        {"epochs_to_fit": None},
        {"epochs_to_fit": 5},
        {"steps_to_loss_0_01": 40},
        {"seed": 1},
        {"epochs": 6},
        {"parameters": 11},
        {"diverged": True},
        {"corruption": {"kind": "none", "level": 0.0, "seed": 1}},
    ],
)
def test_a_tampered_metric_is_named(change):
    found = differences(fresh(**change), reference())
    assert len(found) == 1
    assert next(iter(change)) in found[0]
    assert "alexnet/none/seed-0" in found[0]


def test_a_run_that_the_reference_lacks_is_named():
    other = {"wrn_28_1": {"none": {"seed-0": run(0, 0.9)}}}
    assert differences(other, reference()) == ["wrn_28_1/none/seed-0: the reference has no such run"]


def test_one_seed_is_no_measure_of_spread():
    with pytest.raises(ValueError, match="several seeds"):
        tolerances(fresh())


def test_one_changed_byte_of_the_data_is_named():
    known = {"data/a": {"x.npy": "12", "y.npy": "34"}}
    assert data_differences(known, known) == []
    assert data_differences({"data/a": {"x.npy": "12", "y.npy": "35"}}, known) == [
        "data/a/y.npy: its bytes are not the reference's"
    ]
    assert data_differences({}, known) == ["data/a: not made"]


DEMO = ROOT / "reference/demo"


@pytest.fixture
def check(tmp_path, run_stage):
    """Run the check on the demo's committed metrics with something changed; return its exit code and output."""

    def checked(change=lambda summary: None):
        summary = read_json(ROOT / "demo/metrics/summary.json")
        change(summary)
        write_json(tmp_path / "summary.json", summary)
        for name, files in read_json(DEMO / "data.json").items():
            write_json(tmp_path / name / "meta.json", {"sha256": files})
        done = run_stage("check", "--summary", "summary.json", "--data", "data", "--reference", DEMO)
        return done.returncode, done.stdout + done.stderr

    return checked


def test_the_demos_committed_metrics_agree_with_its_reference(check):
    code, said = check()
    assert code == 0, said
    assert "agrees" in said


def test_the_check_fails_where_a_run_did_not_fit(check):
    def tamper(summary):
        summary["alexnet"]["labels-1.0"]["seed-0"]["train_accuracy"] -= 0.02

    code, said = check(tamper)
    assert code == 1
    assert "alexnet/labels-1.0/seed-0: train_accuracy is 0.98" in said


def test_the_check_fails_where_random_labels_generalise(check):
    def tamper(summary):
        summary["mlp_1x512"]["labels-1.0"]["seed-0"]["test_accuracy"] = 0.84

    assert check(tamper)[0] == 1


def test_the_check_fails_on_another_seed(check):
    def reseed(summary):
        for _, metrics in runs_of(summary):
            metrics["seed"] = 1

    assert check(reseed)[0] == 1


def test_the_reference_has_several_seeds_of_every_run_of_the_demo():
    summary = read_json(DEMO / "summary.json")
    paths = [path for path, _ in runs_of(summary)]
    demo = [path for path, _ in runs_of(read_json(ROOT / "demo/metrics/summary.json"))]
    assert all(path.replace("seed-0", f"seed-{seed}") in paths for path in demo for seed in (0, 1, 2))


def test_the_record_of_two_seeds_checks_itself(tmp_path, run_stage):
    write_json(tmp_path / "data/a/meta.json", {"sha256": {"x.npy": "12"}})
    for seed in (0, 1):
        write_json(tmp_path / f"{seed}.json", {"alexnet": {"none": {f"seed-{seed}": run(seed, 0.9 + seed / 50)}}})
    record = ("--summary", "0.json", "1.json", "--data", "data", "--reference", "kept", "--record")
    assert run_stage("check", *record).returncode == 0
    assert json.loads((tmp_path / "kept/environment.json").read_text())["packages"]["torch"]
    arguments = ("--data", "data", "--reference", "kept")
    assert run_stage("check", "--summary", "1.json", *arguments).returncode == 0
    write_json(tmp_path / "data/a/meta.json", {"sha256": {"x.npy": "13"}})
    assert run_stage("check", "--summary", "1.json", *arguments).returncode == 1


def test_a_missing_reference_is_one_sentence(tmp_path, failure):
    write_json(tmp_path / "data/a/meta.json", {"sha256": {}})
    write_json(tmp_path / "s.json", copy.deepcopy(fresh()))
    code, message = failure("check", "--summary", "s.json", "--data", "data", "--reference", "absent")
    assert (code, "absent/summary.json" in message) == (1, True)
