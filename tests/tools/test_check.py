"""The reproduction check passes what differs as seeds and instruction sets do, and fails tampered metrics, another seed
and other data."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rethinking.core import config
from rethinking.core.arrays import save_arrays
from rethinking.core.files import read_json, write_json
from rethinking.core.run_name import RunName
from rethinking.results.comparison import data_differences, differences, notes, tolerances
from rethinking.results.runs import read_runs, row_of
from tests.stage_processes import ROOT, StageProcess


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


def table(*runs, name="alexnet-none"):
    return pd.DataFrame([row_of(RunName.parse(name), each) for each in runs])


def reference(**changes):
    return table(*(run(seed, test, **changes) for seed, test in enumerate(4 * (0.90, 0.92, 0.94))))


def fresh(**changes):
    return table(run(0, 0.90) | changes)


def test_the_same_results_agree():
    assert differences(fresh(), reference()) == []


def test_the_tolerance_is_where_one_more_run_lies_999_times_in_a_thousand():
    accuracies = reference()["test_accuracy"]
    spread = stats.t(df=11).ppf(1 - 0.001 / 2) * accuracies.std()
    assert tolerances(reference(), 3)["test_accuracy"] == pytest.approx(spread * (1 + 1 / 3) ** 0.5)
    within = spread * 2**0.5
    assert differences(fresh(test_accuracy=0.9 - 0.99 * within), reference()) == []
    (said,) = differences(fresh(test_accuracy=0.9 - 1.01 * within), reference())
    assert f"expected 0.9 within {within:.4f}" in said


def test_runs_of_another_instruction_set_widen_the_tolerance_by_what_they_differ():
    slow, others = fresh(steps_to_loss_0_1=40), [reference(steps_to_loss_0_1=steps) for steps in (30, 36)]
    assert len(differences(slow, others[0])) == 1
    assert differences(slow, pd.concat(others, ignore_index=True)) == []
    assert len(differences(fresh(steps_to_loss_0_1=90), pd.concat(others, ignore_index=True))) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"train_accuracy": 0.99},
        {"train_loss": 0.002},
        {"epochs_to_fit": None},
        {"epochs_to_fit": 5},
        {"steps_to_loss_0_01": 30},
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
    assert "alexnet-none, seed 0" in found[0]


def test_a_threshold_passed_at_the_end_of_a_run_is_not_told_from_one_never_passed():
    assert differences(fresh(steps_to_loss_0_01=39), reference()) == []  # of 40 steps


def test_a_threshold_that_some_seeds_never_pass_is_one_of_a_wide_spread():
    mixed = table(*(run(seed, 0.9, steps_to_loss_0_01=steps) for seed, steps in enumerate((10, 10, None))))
    assert differences(fresh(steps_to_loss_0_01=25), mixed) == []
    assert differences(fresh(steps_to_loss_0_01=25), mixed.assign(steps_to_loss_0_01=10)) != []


def test_what_the_reference_cannot_judge_is_said_and_the_rest_compared():
    other = table(run(0, 0.9), name="wrn_28_1-none")
    both = pd.concat([fresh(), other])
    assert notes(both, reference()) == ["wrn_28_1-none, seed 0: not in the reference, so not compared"]
    assert differences(both, reference()) == []
    assert len(differences(pd.concat([fresh(train_accuracy=0.5), other]), reference())) == 1
    with pytest.raises(ValueError, match="none of these runs"):
        differences(other, reference())


def test_another_arithmetic_is_said_and_compared_all_the_same():
    known = reference(precision="bf16")
    assert notes(fresh(precision="float32"), known) == ["alexnet-none, seed 0: in float32, the reference in bf16"]
    assert differences(fresh(precision="float32"), known) == []
    assert len(differences(fresh(precision="float32", train_accuracy=0.5), known)) == 1
    assert notes(fresh(precision="bf16"), known) == []


def test_one_seed_is_no_measure_of_spread():
    with pytest.raises(ValueError, match="several seeds"):
        tolerances(fresh(), known=1)


def test_one_changed_byte_of_the_data_is_named():
    known = {"data/a": {"x.npy": "12", "y.npy": "34"}}
    assert data_differences(known, known) == []
    assert data_differences({"data/a": {"x.npy": "12", "y.npy": "35"}}, known) == [
        "data/a/y.npy: its bytes are not the reference's"
    ]
    assert data_differences({}, known) == ["data/a: not made"]


# The demo by several instruction sets, as `make check` compares with them.
DEMO = sorted(ROOT.glob("reference/demo*"))


def write_set(folder, *labels):
    """A data set of these labels, in place of the one that may be there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").unlink(missing_ok=True)
    save_arrays(folder, {"train_labels": np.array(labels)}, {})


@pytest.fixture(scope="module")
def demo_data(tmp_path_factory):
    """The demo's data sets, as its stages make them."""
    folder, parameters = tmp_path_factory.mktemp("demo"), ("--params", ROOT / "demo/params.yaml")
    assert StageProcess("fetch", *parameters, "--out", "data/digits", folder=folder).wait() == 0
    for name in config.load(ROOT / "demo/params.yaml").grid.corruptions:
        out = ("--raw", "data/digits", "--out", f"data/corrupted/demo/{name}")
        assert StageProcess("corrupt", *parameters, "--name", name, *out, folder=folder).wait() == 0
    return folder / "data"


@pytest.fixture
def check(tmp_path, run_stage, demo_data):
    """Run the check on the demo's data and its committed metrics with something changed; its exit code and output."""
    shutil.copytree(demo_data, tmp_path / "data")

    def checked(change=lambda summary: None):
        summary = read_json(ROOT / "demo/metrics/summary.json")
        change(summary)
        write_json(tmp_path / "summary.json", summary)
        done = run_stage("tools.check", "--runs", "summary.json", "--data", "data", "--reference", *DEMO)
        return done.returncode, done.stdout + done.stderr

    return checked


def test_the_demos_committed_metrics_agree_with_its_reference(check):
    code, said = check()
    assert code == 0, said
    assert "agrees" in said


@pytest.mark.parametrize(
    ("arch", "key", "value"),
    [("alexnet", "train_accuracy", 0.98), ("mlp_1x512", "test_accuracy", 0.84), ("alexnet", "steps_to_loss_0_01", 112)],
    ids=["did not fit", "random labels generalise", "fitted in half the steps"],
)
def test_the_check_fails_where_a_run_is_another(check, arch, key, value):
    code, said = check(lambda summary: summary[arch]["labels-1.0"]["seed-0"].update({key: value}))
    assert (code, f"{arch}-labels-1.0, seed 0: {key} is {value}" in said) == (1, True)


def test_the_check_fails_where_the_reference_has_no_such_seed(check):
    def reseed(summary):
        for corruptions in summary.values():
            for seeds in corruptions.values():
                seeds["seed-0"]["seed"] = 7

    code, said = check(reseed)
    assert (code, "it has none of these runs" in said) == (1, True)


def test_the_check_fails_on_one_flipped_byte_of_an_array(check, tmp_path):
    path = tmp_path / "data/corrupted/demo/labels-0.5/train_labels.npy"
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    code, said = check()
    assert (code, "labels-0.5/train_labels.npy is damaged" in said) == (1, True)


def test_the_check_fails_on_data_of_another_seed(check, tmp_path):
    (tmp_path / "data/digits").rename(tmp_path / "data/other")
    shutil.copytree(tmp_path / "data/corrupted/demo/none", tmp_path / "data/digits")
    code, said = check()
    assert (code, "data/digits/train_images.npy: its bytes are not the reference's" in said) == (1, True)


def test_the_demo_by_every_instruction_set_has_the_same_data_and_agrees():
    tables = [read_runs(folder / "runs.csv") for folder in DEMO]
    reference = pd.concat(tables, ignore_index=True)
    assert len(tables) == 3
    for folder, runs in zip(DEMO, tables, strict=True):
        assert read_json(folder / "data.json") == read_json(DEMO[0] / "data.json")
        for _, seed in runs.groupby("seed"):
            assert len(seed) == 12
            assert differences(seed, reference) == []


def test_the_reference_has_several_seeds_of_every_run_of_the_demo():
    seeds = read_runs(DEMO[0] / "runs.csv").groupby("run")["seed"].agg(set)
    assert all(seeds[name] == {0, 1, 2} for name in read_runs(ROOT / "demo/metrics/summary.json")["run"])


def test_the_record_of_two_seeds_checks_itself(tmp_path, run_stage):
    write_set(tmp_path / "data/a", 12)
    for seed in (0, 1):
        metrics = run(seed, 0.9 + seed / 50, fitted=True)
        write_json(tmp_path / f"{seed}.json", {"alexnet": {"none": {f"seed-{seed}": metrics}}})
    record = ("--runs", "0.json", "1.json", "--data", "data", "--out", "kept")
    assert run_stage("tools.record_reference", *record).returncode == 0
    assert json.loads((tmp_path / "kept/environment.json").read_text())["packages"]["torch"]
    arguments = ("--runs", "1.json", "--data", "data", "--reference", "kept")
    assert run_stage("tools.check", *arguments).returncode == 0
    write_set(tmp_path / "data/a", 13)
    assert run_stage("tools.check", *arguments).returncode == 1


def test_a_missing_reference_is_one_sentence(tmp_path, failure):
    write_set(tmp_path / "data/a", 12)
    write_json(tmp_path / "s.json", {"alexnet": run(0, 0.9, fitted=True)})
    code, message = failure("tools.check", "--runs", "s.json", "--data", "data", "--reference", "absent")
    assert (code, "absent/runs.csv" in message) == (1, True)
