"""A checkpoint is found again by the same code, parameters, data and device, and by no others."""

import shutil

import pytest
import torch

from rethinking.core import config
from rethinking.training import run_key as module
from rethinking.training.run_key import run_key
from tests.stage_processes import ROOT

CPU = torch.device("cpu")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the code, in place of ours."""
    for name in ("stages", "rethinking"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


def key(arch="alexnet", data="data", device=CPU, seed=0):
    parameters = config.load(ROOT / "params.yaml")
    train = parameters.train.model_copy(update={"seed": seed})
    return run_key(parameters.model_copy(update={"train": train}), arch, data, device)


def test_the_key_is_the_same_for_the_same_run():
    assert key() == key()


def test_the_key_changes_with_parameters_data_device_and_architecture():
    others = [key(seed=1), key(data="other"), key(device=torch.device("meta")), key("mlp_1x512")]
    assert len({key(), *others}) == 5


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("stages/train.py", True),
        ("rethinking/training/step.py", True),
        ("rethinking/core/files.py", True),
        ("rethinking/models/parts/network.py", True),
        ("rethinking/models/alexnet.py", True),
        ("rethinking/models/mlp_1x512.py", False),
        ("rethinking/figures/style.py", False),
    ],
)
def test_the_key_changes_with_the_code_that_trains_and_with_no_other(project, name, changes):
    before = key()
    (project / name).write_text((project / name).read_text() + "x = 1\n")
    assert (key() != before) == changes
