"""What a run's key changes with: all that determines the run, and nothing else."""

import shutil

import pytest
import torch

from rethinking.core import config
from rethinking.training import run_key
from tests.imports import source_files
from tests.stage_processes import ROOT

CPU = torch.device("cpu")


def key(arch="alexnet", path=ROOT / "demo/params.yaml", data="data", device=CPU):
    return run_key.run_key(config.load(path), arch, data, device)


def test_the_key_changes_with_parameters_data_and_device(write_parameters):
    keys = [key(path=write_parameters({"train.seed": seed})) for seed in (0, 1, 0)]
    assert keys[0] == keys[2] != keys[1]
    assert keys[0] != key(path=write_parameters(), data="other")
    assert keys[0] != key(path=write_parameters(), device=torch.device("cuda"))
    assert keys[0] == key(path=write_parameters({"corrupt.seed": 1, "archs.mlp_1x512.lr": 0.5}))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("rethinking/training/step.py", True),
        ("rethinking/core/streams.py", True),
        ("rethinking/models/alexnet.py", True),
        ("rethinking/models/parts/network.py", True),
        ("stages/train.py", True),
        ("rethinking/models/inception.py", False),
        ("rethinking/figures/style.py", False),
    ],
)
def test_the_key_changes_with_the_code_that_trains_the_architecture(tmp_path, monkeypatch, name, changes):
    for folder in ("rethinking", "stages"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.setattr(run_key, "ROOT", tmp_path)
    before = key()
    (tmp_path / name).write_text((tmp_path / name).read_text() + "# an edit\n")
    assert (key() != before) == changes


def test_every_file_that_a_training_imports_is_part_of_its_key():
    imported = source_files("stages.train", "rethinking.models.alexnet")
    assert {name for name in imported if not name.endswith("__init__.py")} <= set(run_key.code_hashes("alexnet"))
