"""Several machines' metrics as one: the runs of all, the later of two, and all that claims and report read of them."""

from stages.files import read_json, write_json
from stages.paper.figures import load_grids
from tests.conftest import ROOT
from tests.paper.results import make_run, write_grid


def write_machine(folder, *runs):
    write_grid(folder / "metrics/paper", runs)


def test_the_runs_of_all_are_there_with_their_curves_and_of_two_the_later_counts(tmp_path, run_stage):
    write_machine(tmp_path / "a", make_run("inception", "none", epochs=20), make_run("alexnet", "none"))
    write_machine(tmp_path / "b", make_run("inception", "none", epochs=30), make_run("inception", "none", seed=1))
    write_json(tmp_path / "a/metrics/paper/audits.json", {"none": {"ok": True}, "labels-1.0": {"changed": 0.9}})
    write_json(tmp_path / "b/metrics/paper/audits.json", {"labels-1.0": {"changed": 0.91}})
    write_json(tmp_path / "a/metrics/theory/mnist/summary.json", {"kernel": {}})
    done = run_stage("combine", "a", "b", "--out", "both")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "both/metrics: 3 runs of paper, 0 runs of cifar100, 0 runs of mnist\n"
    found = {run.name: run for run in load_grids(tmp_path / "both/metrics")["paper"]}
    assert sorted(found) == ["alexnet-none-plain-0", "inception-none-plain-0", "inception-none-plain-1"]
    apart = {
        run.name: run for name in ("a", "b") for run in load_grids(tmp_path / name / "metrics")["paper"]
    }  # the later ones replace the earlier ones
    assert found == apart
    assert len(found["inception-none-plain-0"].epochs) == 30
    audits = read_json(tmp_path / "both/metrics/paper/audits.json")
    assert audits == {"none": {"ok": True}, "labels-1.0": {"changed": 0.91}}
    assert read_json(tmp_path / "both/metrics/theory/mnist/summary.json") == {"kernel": {}}


def test_one_alone_is_itself(tmp_path, run_stage):
    reference = ROOT / "reference/2-core-amx/cifar10-jpeg"
    assert run_stage("combine", reference, "--out", "copy").returncode == 0
    for name in ("summary.json", "audits.json", "curves.csv", "steps.csv"):
        assert (tmp_path / "copy/metrics/paper" / name).read_bytes() == (
            reference / "metrics/paper" / name
        ).read_bytes(), name


def test_a_folder_without_metrics_is_named_and_nothing_written(tmp_path, run_stage):
    write_machine(tmp_path / "a", make_run("alexnet", "none"))
    done = run_stage("combine", "a", "b", "--out", "both")
    expected = "error: b: no folder of metrics in it; expected a reference or a working copy\n"
    assert (done.returncode, done.stderr) == (2, expected)
    assert not (tmp_path / "both").exists()
