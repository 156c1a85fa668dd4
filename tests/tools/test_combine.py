"""Several machines' metrics as one: the runs of all, the later of two, and all that claims and report read of them."""

import pytest

from rethinking.core.files import read_json, write_json
from rethinking.figures.paper import load_grids
from tests.conftest import ROOT
from tests.results.made import make_run, write_grid


def write_machine(folder, *runs):
    write_grid(folder / "metrics/cifar10", runs)


def verdict_of_fits(run_stage, metrics):
    """What is judged in small of the claim that AlexNet fits at every level."""
    claims = ("--claims", ROOT / "paper/claims.yaml", "--metrics", metrics, "--out", metrics, "--small")
    assert run_stage("stages.claims", *claims).returncode == 0
    return next(
        claim["verdict"] for claim in read_json(metrics / "claims.json") if claim["id"] == "figure_1c_alexnet_fits"
    )


def test_the_runs_of_all_are_there_with_their_curves_and_of_two_the_later_counts(tmp_path, run_stage):
    write_machine(tmp_path / "a", make_run("inception", "none", epochs=20), make_run("alexnet", "none"))
    write_machine(tmp_path / "b", make_run("inception", "none", epochs=30), make_run("inception", "none", seed=1))
    write_json(tmp_path / "a/metrics/cifar10/audits.json", {"none": {"ok": True}, "labels-1.0": {"changed": 0.9}})
    write_json(tmp_path / "b/metrics/cifar10/audits.json", {"labels-1.0": {"changed": 0.91}})
    write_json(tmp_path / "a/metrics/theory/mnist/summary.json", {"kernel": {}})
    done = run_stage("tools.combine", "a", "b", "--out", "both")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "both/metrics: 3 runs of cifar10, 0 runs of cifar100, 0 runs of mnist, 0 runs of imagenet\n"
    found = {run.name.text: run for run in load_grids(tmp_path / "both/metrics")["cifar10"]}
    assert sorted(found) == ["alexnet-none-plain-0", "inception-none-plain-0", "inception-none-plain-1"]
    apart = {
        run.name.text: run for name in ("a", "b") for run in load_grids(tmp_path / name / "metrics")["cifar10"]
    }  # the later ones replace the earlier ones
    for name, run in found.items():
        assert run.metrics == apart[name].metrics | {"origin": "b" if name.startswith("inception") else "a"}
        assert run.epochs["train_loss"].tolist() == pytest.approx(apart[name].epochs["train_loss"].tolist())
    assert len(found["inception-none-plain-0"].epochs) == 30
    audits = read_json(tmp_path / "both/metrics/cifar10/audits.json")
    assert audits == {"none": {"ok": True}, "labels-1.0": {"changed": 0.91}}
    assert read_json(tmp_path / "both/metrics/theory/mnist/summary.json") == {"kernel": {}}


def test_the_grid_in_small_is_combined_like_every_other_and_judged_on_all_runs(tmp_path, run_stage):
    levels = ["none", *(f"labels-0.{level}" for level in range(1, 10)), "labels-1.0"]
    for name, own, epochs in (("a", levels[:4], 40), ("b", levels[3:], 50)):
        runs = [make_run("alexnet", level, epochs=epochs, train_accuracy=1.0, train_size=5000) for level in own]
        write_grid(tmp_path / name / "metrics/small/cifar10", runs)
    done = run_stage("tools.combine", "a", "b", "--out", "both")
    assert (done.returncode, done.stdout.split(", ")[-1]) == (0, "11 runs of small/cifar10\n")
    found = {run.name.text: run for run in load_grids(tmp_path / "both/metrics/small")["cifar10"]}
    assert {name: (run.metrics["origin"], len(run.epochs)) for name, run in found.items()} == {
        f"alexnet-{level}-plain-0": ("a", 40) if level in levels[:3] else ("b", 50) for level in levels
    }
    verdicts = {name: verdict_of_fits(run_stage, tmp_path / name / "metrics/small") for name in ("a", "b", "both")}
    assert verdicts == {"a": "not run", "b": "not run", "both": "reproduced"}


def test_the_folder_that_one_is_in_may_be_one_of_them(tmp_path, run_stage):
    write_machine(tmp_path / "a", make_run("inception", "none"))
    write_machine(tmp_path, make_run("alexnet", "none"))
    assert run_stage("tools.combine", "a", ".", "--out", "both").returncode == 0
    origins = {run.arch: run.metrics["origin"] for run in load_grids(tmp_path / "both/metrics")["cifar10"]}
    assert origins == {"inception": "a", "alexnet": "."}


def test_one_alone_is_itself(tmp_path, run_stage):
    reference = ROOT / "reference/2-core-amx/cifar10-jpeg"
    assert run_stage("tools.combine", reference, "--out", "copy").returncode == 0
    for name in ("runs.csv", "audits.json", "curves.csv", "steps.csv"):
        assert (tmp_path / "copy/metrics/cifar10" / name).read_bytes() == (
            reference / "metrics/cifar10" / name
        ).read_bytes(), name


def test_a_folder_without_metrics_is_named_and_nothing_written(tmp_path, run_stage):
    write_machine(tmp_path / "a", make_run("alexnet", "none"))
    done = run_stage("tools.combine", "a", "b", "--out", "both")
    expected = "error: b/metrics: no such folder; expected references or working copies, with metrics in them\n"
    assert (done.returncode, done.stderr) == (2, expected)
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize("out", ["a", "b"])
def test_nothing_but_an_earlier_combination_is_replaced(tmp_path, run_stage, out):
    for name in ("a", "b"):
        write_machine(tmp_path / name, make_run("alexnet", "none"))
    before = (tmp_path / out / "metrics/cifar10/runs.csv").read_bytes()
    done = run_stage("tools.combine", "a", "--out", out)
    expected = f"error: --out: {out}/metrics holds something else than a combination; give another folder\n"
    assert (done.returncode, done.stderr) == (2, expected)
    assert (tmp_path / out / "metrics/cifar10/runs.csv").read_bytes() == before
    assert [run_stage("tools.combine", "a", "b", "--out", "both").returncode for _ in range(2)] == [0, 0]


def test_the_theory_on_a_data_set_is_the_later_folders_whole(tmp_path, run_stage):
    for name in ("a", "b"):
        write_machine(tmp_path / name, make_run("alexnet", "none"))
        write_json(tmp_path / name / "metrics/theory/mnist/summary.json", {"of": name})
        write_json(tmp_path / name / "metrics/parameters.json", {name: 1, "both": name})
    (tmp_path / "a/metrics/theory/mnist/search.csv").touch()
    assert run_stage("tools.combine", "a", "b", "--out", "both").returncode == 0
    assert read_json(tmp_path / "both/metrics/theory/mnist/summary.json") == {"of": "b"}
    assert not (tmp_path / "both/metrics/theory/mnist/search.csv").exists()
    assert read_json(tmp_path / "both/metrics/parameters.json") == {"a": 1, "b": 1, "both": "b"}


@pytest.mark.parametrize(
    ("file", "text", "part"),
    [
        ("cifar10/runs.csv", "", "a/metrics/cifar10/runs.csv is no table"),
        ("cifar10/runs.csv", "a,b\n1,2\n1,2,3\n", "a/metrics/cifar10/runs.csv is no table"),
        ("cifar10/runs.csv", "arch\nalexnet\n", "a/metrics/cifar10/runs.csv has no column 'run'"),
        ("cifar10/curves.csv", "epoch\n1\n", "a/metrics/cifar10/curves.csv has no column 'run'"),
        ("cifar10/curves.csv", "run,epoch\nother-none-plain-0,1\n", "curves.csv has nothing of alexnet-none-plain-0"),
        ("cifar10/audits.json", "[]", "a/metrics/cifar10/audits.json holds list"),
    ],
)
def test_a_damaged_file_is_named_and_nothing_written(tmp_path, failure, file, text, part):
    write_machine(tmp_path / "a", make_run("alexnet", "none"))
    (tmp_path / "a/metrics" / file).write_text(text)
    code, message = failure("tools.combine", "a", "--out", "both")
    assert (code, part in message) == (1, True)
    assert not (tmp_path / "both/metrics").exists()
