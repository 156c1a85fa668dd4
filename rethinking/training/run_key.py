"""The key of a run: a hash of its recipe, data, device and versions, and of the code that trains it."""

from importlib.metadata import version
from pathlib import Path

import torch

from rethinking.core.config import Parameters
from rethinking.core.files import hashes_of_code, sha256_of
from rethinking.training.recipe import description

ROOT = Path(__file__).resolve().parents[2]
# What every training depends on in dvc.yaml, besides the file of its architecture.
TRAINING_CODE = ("rethinking/core", "rethinking/training", "rethinking/models/parts", "stages/train.py")


def run_key(parameters: Parameters, arch: str, data_fingerprint: str, device: torch.device) -> str:
    """A hash of all that determines the run. It names the checkpoint: a run with another parameter starts anew."""
    return sha256_of(
        {
            "run": description(parameters, arch),
            "data": data_fingerprint,
            "device": device.type,
            "versions": [torch.__version__, version("timm"), version("torchvision")],
            "code": code_hashes(arch),
        }
    )


def code_hashes(arch: str) -> dict[str, str]:
    """The SHA-256 of every file of code that a training of the architecture depends on, by path from the root."""
    return hashes_of_code(ROOT, (*TRAINING_CODE, f"rethinking/models/{arch}.py"))
