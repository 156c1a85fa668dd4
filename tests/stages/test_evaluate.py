import json
import shutil
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from rethinking.core.errors import DataError
from rethinking.core.files import read_json
from rethinking.core.tables import read_table
from stages import corrupt, evaluate, fetch, plot, train
from tests.faults.inputs import seal_again

PARAMS = """
dataset: {name: digits, train_size: 60, test_size: 20}
corrupt: {}
grid: {corruptions: [none, labels-0.5]}
train: {archs: [mlp_1x512], epochs: 3, evaluate_every: 2, batch_size: 20, live: false}
archs: {mlp_1x512: {lr: 0.01}}
"""

CONTRACT = set(
    "arch dataset corruption seed parameters train_size epochs steps train_accuracy train_loss test_accuracy test_loss "
    "fitted epochs_to_fit steps_to_loss_0_1 steps_to_loss_0_01 best_test_accuracy best_test_epoch "
    "clean_subset_accuracy corrupted_subset_accuracy recovered_true_accuracy diverged".split()
)


def call(module, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny grid, trained: two corruptions of 60 digits."""
    folder = tmp_path_factory.mktemp("grid")
    (folder / "params.yaml").write_text(PARAMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        call(fetch, patch, "--out", "raw")
        for name in ("none", "labels-0.5"):
            call(corrupt, patch, "--name", name, "--raw", "raw", "--out", f"data/{name}")
            run = f"runs/mlp_1x512-{name}"
            call(train, patch, "--arch", "mlp_1x512", "--raw", "raw", "--data", f"data/{name}", "--out", run)
    return folder


@pytest.fixture
def project(trained, tmp_path, monkeypatch):
    """A copy of the trained grid to work in."""
    shutil.copytree(trained, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def collect(monkeypatch, out="metrics"):
    call(evaluate, monkeypatch, "--raw", "raw", "--data", "data", "--runs", "runs", "--out", out)


def test_a_run_carries_the_keys_of_the_contract(project):
    metrics = read_json(project / "runs/mlp_1x512-labels-0.5/metrics.json")
    assert set(metrics) == CONTRACT
    assert metrics["corruption"] == {"kind": "labels", "level": 0.5, "seed": 0}
    assert metrics["parameters"] == 1_209_866
    assert metrics["epochs"] == 3
    assert read_table(project / "runs/mlp_1x512-labels-0.5/curves.csv")["epoch"].tolist() == [2, 3]


def test_weights_measured_again_give_what_the_run_recorded(project, monkeypatch):
    collect(monkeypatch)
    summary = read_json(project / "metrics/summary.json")
    for corruption, seeds in summary["mlp_1x512"].items():
        assert seeds["seed-0"] == read_json(project / f"runs/mlp_1x512-{corruption}/metrics.json")
    assert set(summary["mlp_1x512"]) == {"none", "labels-0.5"}
    assert set(summary["mlp_1x512"]["none"]) == {"seed-0"}


def test_accuracy_per_class_averages_to_the_accuracy(project, monkeypatch):
    collect(monkeypatch)
    rows = read_table(project / "metrics/per_class.csv").query("run == 'mlp_1x512-none'")
    expected = read_json(project / "runs/mlp_1x512-none/metrics.json")["test_accuracy"]
    assert rows["test_accuracy"].mean() == pytest.approx(expected)


@pytest.mark.parametrize("key", ["train_accuracy", "test_accuracy", "corrupted_subset_accuracy"])
def test_a_tampered_metric_is_found_out(project, monkeypatch, key):
    path = project / "runs/mlp_1x512-labels-0.5/metrics.json"
    metrics = read_json(path)
    metrics[key] = metrics[key] + 0.15
    path.write_text(json.dumps(metrics))
    seal_again(path.parent)
    with pytest.raises(DataError, match=f"has {key} .* its weights give"):
        collect(monkeypatch)
    assert not (project / "metrics").exists()


def test_weights_of_another_network_are_refused(project, monkeypatch):
    path = project / "runs/mlp_1x512-none/model.safetensors"
    save_file({"weight": np.zeros(3)}, path)
    seal_again(path.parent)
    with pytest.raises(DataError, match=r"model\.safetensors does not fit the network"):
        collect(monkeypatch)


@pytest.mark.parametrize("name", ["model.safetensors", "metrics.json", "curves.csv", "steps.csv", "meta.json"])
def test_a_run_with_a_flipped_bit_is_refused_with_the_remedy(project, monkeypatch, name):
    path = project / "runs/mlp_1x512-none" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"mlp_1x512-none.* run `python -m tools\.verify`, then `dvc repro`"):
        collect(monkeypatch)
    assert not (project / "metrics").exists()


@pytest.mark.parametrize(("old", "new"), [("lr: 0.01", "lr: 0.02"), ("epochs: 3", "epochs: 4")])
def test_a_run_of_another_recipe_than_the_parameters_say_is_refused(project, monkeypatch, old, new):
    path = project / "params.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match="was made from other parameters or data"):
        collect(monkeypatch)


def test_a_run_on_another_data_set_than_the_one_that_is_there_is_refused(project, monkeypatch):
    shutil.rmtree(project / "data/labels-0.5")
    shutil.copytree(project / "data/none", project / "data/labels-0.5")
    with pytest.raises(DataError, match="labels-0.5 was made from other parameters or data"):
        collect(monkeypatch)


def test_a_checkpoint_goes_once_its_run_is_collected(project, monkeypatch):
    assert len(list((project / "checkpoints").iterdir())) == 2
    other = project / "checkpoints/runs-mlp_1x512-none@of_an_experiment.safetensors"
    other.write_bytes(b"")
    collect(monkeypatch)
    assert list((project / "checkpoints").iterdir()) == [other]


def test_figures_have_the_same_bytes_every_time(project, monkeypatch):
    collect(monkeypatch)
    for out in ("first", "second"):
        call(plot, monkeypatch, "--metrics", "metrics", "--out", out)
    names = sorted(path.name for path in (project / "first").iterdir())
    figures = ("learning_curves", "memorisation", "test_error", "training_loss")
    assert names == [f"{name}.{extension}" for name in figures for extension in ("png", "svg")]
    for name in names:
        assert (project / "first" / name).read_bytes() == (project / "second" / name).read_bytes()
    assert b"<dc:date>" not in (project / "first/learning_curves.svg").read_bytes()


def test_a_folder_without_runs_is_no_picture(failure):
    assert failure("plot", "--metrics", "nowhere", "--out", "plots") == (
        1,
        "error: nowhere holds no runs; run the pipeline that writes them first",
    )
