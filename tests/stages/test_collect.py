"""The paper's collector gathers the runs that are there, lists the others, and refuses a folder of another run."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from rethinking.core import config
from rethinking.core.arrays import dataset_fingerprint, save_arrays
from rethinking.core.files import read_json, read_sealed, seal, write_json
from rethinking.core.run_name import RunName
from rethinking.core.tables import read_table, write_table
from rethinking.core.workspace import checkpoint_file
from rethinking.training.recipe import description
from rethinking.training.run_key import run_key

PARAMETERS = """
dataset: {name: cifar10}
corrupt: {seed: 0}
train: {archs: [mlp_1x512], epochs: 2}
archs: {mlp_1x512: {lr: 0.01}}
paper:
  seeds: [0, 1]
  corruptions: {cifar10: [none, labels-0.5]}
  runs:
    main: {archs: [mlp_1x512], corruptions: [none, labels-0.5], variants: [plain, weight_decay]}
"""


def write_run(folder, kind="none", level=0.0, seed=0, test_accuracy=0.5, diverged=False):
    folder.mkdir(parents=True)
    metrics = {
        "arch": "mlp_1x512",
        "corruption": {"kind": kind, "level": level, "seed": 0},
        "seed": seed,
        "train_accuracy": 1.0,
        "test_accuracy": test_accuracy,
        "epochs": 2,
        "epochs_to_fit": None,
        "diverged": diverged,
    }
    write_json(folder / "metrics.json", metrics)
    write_table(folder / "curves.csv", [{"epoch": 1, "train_accuracy": 0.5}, {"epoch": 2, "train_accuracy": 1.0}])
    write_table(folder / "steps.csv", [{"step": 1, "loss": 2.3}])
    save_file({"w": np.zeros(1)}, folder / "model.safetensors")
    root, run = folder.parents[1], RunName.parse(folder.name)
    data = root / "sets" / run.corruption
    recipe = description(config.load(root / "params.yaml").of_run(run), run.arch)
    seal(folder, {"recipe": recipe, "data": dataset_fingerprint(read_sealed(data)) if data.exists() else ""})


def write_set(folder, changed, labels=(1, 2)):
    folder.mkdir(parents=True)
    write_json(folder / "audit.json", {"changed": changed})
    save_arrays(folder, {"train_labels": np.array(labels)}, {"dataset": "mnist", "raw": "a raw set"})


@pytest.fixture
def arguments(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMETERS)
    write_set(tmp_path / "sets/labels-0.5", 0.451)
    write_set(tmp_path / "sets/labels-0.9", 0.81)  # of an older grid
    return ("--params", "params.yaml", "--data", "sets", "--runs", "runs", "--out", "out")


def test_what_has_run_is_collected_and_what_has_not_is_listed(tmp_path, run_stage, arguments):
    write_run(tmp_path / "runs/mlp_1x512-none-plain-1", seed=1)
    write_run(tmp_path / "runs/mlp_1x512-labels-0.5-weight_decay-0", "labels", 0.5)
    write_run(tmp_path / "runs/mlp_1x512-labels-0.9-plain-0", "labels", 0.9)  # of an older grid
    done = run_stage("collect", *arguments)
    assert done.returncode == 0, done.stderr
    runs = read_table(tmp_path / "out/runs.csv")
    assert list(runs["run"]) == ["mlp_1x512-labels-0.5-weight_decay-0", "mlp_1x512-none-plain-1"][::-1]
    assert (runs["test_accuracy"][0], runs["precision"][0], runs["ended_when_fitted"][0]) == (0.5, "float32", False)
    audit = {"dataset": "mnist", "train_size": 2, "changed": 0.451}
    assert read_json(tmp_path / "out/audits.json") == {"labels-0.5": audit}
    curves = read_table(tmp_path / "out/curves.csv")
    assert list(curves["run"]) == [name for name in runs["run"] for _ in range(2)]
    assert "mlp_1x512-none-plain-0" in done.stdout.partition("Not run:")[2]
    assert "mlp_1x512-none-plain-1" not in done.stdout.partition("Not run:")[2]


def test_the_checkpoint_of_a_collected_run_goes_wherever_it_was_trained_and_that_of_an_experiment_stays(
    tmp_path, run_stage, arguments
):
    name = RunName("mlp_1x512", "none", "plain", 1)
    run = tmp_path / "runs" / name.text
    write_run(run, seed=1)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "other.yaml").write_text(PARAMETERS.replace("lr: 0.01", "lr: 0.02"))

    def state(parameters, device):
        of_run, data = config.load(tmp_path / parameters).of_run(name), read_json(run / "meta.json")["data"]
        key = run_key(of_run, name.arch, data, torch.device(device))
        path = tmp_path / "checkpoints" / checkpoint_file(Path("runs") / name.text, key).name
        path.touch()
        return path

    own = [state("params.yaml", device) for device in ("cpu", "cuda", "mps")]
    experiments = [state("other.yaml", device) for device in ("cpu", "cuda")]
    assert run_stage("collect", *arguments).returncode == 0
    assert [path.exists() for path in own + experiments] == [False] * 3 + [True] * 2


def test_a_run_that_ended_when_it_fitted_says_so(tmp_path, run_stage, arguments):
    (tmp_path / "params.yaml").write_text(PARAMETERS.replace("epochs: 2", "epochs: 3, stop_when_fitted: 0"))
    write_run(tmp_path / "runs/mlp_1x512-none-plain-0")
    assert run_stage("collect", *arguments).returncode == 0
    assert list(read_table(tmp_path / "out/runs.csv")["ended_when_fitted"]) == [True]


def test_a_run_that_ended_as_it_diverged_did_not_end_when_it_fitted(tmp_path, run_stage, arguments):
    (tmp_path / "params.yaml").write_text(PARAMETERS.replace("epochs: 2", "epochs: 3, stop_when_fitted: 0"))
    write_run(tmp_path / "runs/mlp_1x512-none-plain-0", diverged=True)
    assert run_stage("collect", *arguments).returncode == 0
    assert list(read_table(tmp_path / "out/runs.csv")["ended_when_fitted"]) == [False]


def test_parameters_without_a_grid_are_refused(tmp_path, failure, arguments):
    (tmp_path / "params.yaml").write_text(PARAMETERS.partition("paper:")[0])
    code, message = failure("collect", *arguments)
    assert code == 2
    assert "paper: missing" in message


def test_nothing_run_yet_is_no_error(tmp_path, run_stage, arguments):
    (tmp_path / "runs").mkdir()
    done = run_stage("collect", *arguments)
    assert done.returncode == 0
    assert done.stdout.endswith("Not run: 8 of 8 runs of mlp_1x512.\n")
    assert read_table(tmp_path / "out/runs.csv").empty


@pytest.mark.parametrize("other", [{"seed": 1}, {"kind": "labels", "level": 1.0}])
def test_a_folder_that_holds_another_run_is_refused(tmp_path, failure, arguments, other):
    write_run(tmp_path / "runs/mlp_1x512-none-plain-0", **other)
    code, message = failure("collect", *arguments)
    assert code == 1
    assert "runs/mlp_1x512-none-plain-0/metrics.json" in message
    assert not (tmp_path / "out").exists()


def test_a_run_of_an_older_recipe_or_data_set_is_left_out_and_said_so(tmp_path, run_stage, arguments):
    names = ("none-plain", "none-weight_decay", "labels-0.5-plain")
    for name in names:
        kind, level = ("labels", 0.5) if "labels" in name else ("none", 0.0)
        write_run(tmp_path / f"runs/mlp_1x512-{name}-0", kind, level)
    text = PARAMETERS.replace("epochs: 2", "epochs: 3")
    (tmp_path / "params.yaml").write_text(text)
    said = run_stage("collect", *arguments).stdout
    assert all(f"runs/mlp_1x512-{name}-0 was made from other parameters or data" in said for name in names)
    assert read_table(tmp_path / "out/runs.csv").empty

    (tmp_path / "params.yaml").write_text(PARAMETERS)
    (tmp_path / "sets/labels-0.5").rename(tmp_path / "older")
    write_set(tmp_path / "sets/labels-0.5", 0.451, labels=(2, 1))
    assert run_stage("collect", *arguments).returncode == 0
    assert set(read_table(tmp_path / "out/runs.csv")["kind"]) == {"none"}


def test_a_damaged_run_is_refused(tmp_path, failure, arguments):
    write_run(tmp_path / "runs/mlp_1x512-none-plain-0")
    path = tmp_path / "runs/mlp_1x512-none-plain-0/metrics.json"
    path.write_text(path.read_text().replace("0.5", "0.9"))
    code, message = failure("collect", *arguments)
    assert (code, "metrics.json is damaged" in message) == (1, True)
