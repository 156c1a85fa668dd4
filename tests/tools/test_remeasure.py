"""A run of the grid whose weights do not give its accuracies is found out."""

import json

import pytest

from rethinking.core.files import read_json, read_sealed, seal

PARAMETERS = """
dataset: {name: digits, train_size: 100, test_size: 50}
corrupt: {kind: none}
train: {archs: [mlp_1x512], epochs: 2, batch_size: 20, live: false, device: cpu}
archs: {mlp_1x512: {lr: 0.01}}
"""
GRID = """
paper:
  seeds: [0]
  corruptions: {digits: [labels-0.5], cifar100: [none], mnist: [none]}
  runs: {main: {dataset: digits, archs: [mlp_1x512], corruptions: [labels-0.5], variants: [plain]}}
"""
RUN = "runs/cifar10/mlp_1x512-labels-0.5-plain-0"


@pytest.fixture
def project(tmp_path, run_stage):
    """A working copy with one run of a grid whose CIFAR-10 is the digits."""
    (tmp_path / "paper").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMETERS)
    (tmp_path / "paper/params.yaml").write_text(GRID)
    for name in ("cifar10", "cifar100", "mnist"):
        (tmp_path / f"paper/{name}.yaml").write_text(f"dataset: {{name: {'digits' if name == 'cifar10' else name}}}")
    parameters = ("--params", "params.yaml", "paper/params.yaml", "paper/cifar10.yaml")
    data = ("--raw", "data/cifar10", "--data", "data/corrupted/cifar10/labels-0.5")
    stages = (
        ("fetch", *parameters, "--out", "data/cifar10"),
        ("corrupt", *parameters, "--name", "labels-0.5", *data[:2], "--out", data[3]),
        ("train", *parameters, "--arch", "mlp_1x512", "--variant", "plain", "--seed", 0, *data, "--out", RUN),
    )
    for stage in stages:
        done = run_stage(*stage)
        assert done.returncode == 0, done.stderr
    return tmp_path


def test_the_weights_give_what_a_run_of_this_recipe_recorded_and_a_tampered_accuracy_is_named(
    project, run_stage, failure
):
    assert run_stage("tools.remeasure").stdout == "1 runs measured again from their weights\n"
    parameters = project / "params.yaml"
    parameters.write_text(PARAMETERS.replace("lr: 0.01", "lr: 0.02"))
    said = run_stage("tools.remeasure").stdout
    assert f"{RUN} was made from other parameters or data, so it is left out" in said
    assert "0 runs measured again" in said
    parameters.write_text(PARAMETERS)
    path = project / RUN / "metrics.json"
    metrics, meta = read_json(path), read_sealed(path.parent)
    path.write_text(json.dumps(metrics | {"test_accuracy": 1 - metrics["test_accuracy"]}))
    (path.parent / "meta.json").unlink()
    seal(path.parent, {"recipe": meta["recipe"], "data": meta["data"]})
    code, message = failure("tools.remeasure")
    assert (code, f"{RUN}/metrics.json has test_accuracy" in message) == (1, True)
