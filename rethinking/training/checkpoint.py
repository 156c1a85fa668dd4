"""Training state on disk: written whole or not at all; read, without executing anything, if its checksum is right."""

import hashlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from rethinking.core.files import new_file
from rethinking.training.step import TrainingStep


@dataclass
class Progress:
    """How far a run is: `step` steps into `epoch` (from 1), with the curves so far."""

    epoch: int = 1
    step: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    step_losses: list[float] = field(default_factory=list)


def save_checkpoint(path: Path, step: TrainingStep, progress: Progress) -> None:
    """Write the whole state of a run, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in step.tensors()}
    tensors["generator"] = step.generator.get_state().cpu()
    tensors["default_generator"] = _default_generator(step.device).get_rng_state()
    text = json.dumps(progress.__dict__)
    with new_file(path) as partial:
        # Not save_file, whose error on a full disk names neither the disk nor the file.
        partial.write_bytes(save(tensors, {"progress": text, "sha256": checksum(tensors, text)}))


def checksum(tensors: dict[str, torch.Tensor], progress: str) -> str:
    """The SHA-256 of a whole state: names, types, shapes and values."""
    return hashlib.sha256(save(tensors, {"progress": progress})).hexdigest()


def load_checkpoint(path: Path, step: TrainingStep) -> Progress | None:
    """Bring `step` to the state on disk and return its progress; None where there is no whole checkpoint.

    A damaged file counts as none, with a warning: the run then starts over, to the same result.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["sha256"] != checksum(tensors, metadata["progress"]):
            raise ValueError("a byte has changed since it was written")
        progress = Progress(**json.loads(metadata["progress"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        print(f"warning: the checkpoint {path} is damaged ({error}); the run starts over", file=sys.stderr)
        return None
    step.begin_epoch(progress.epoch, progress.step)
    with torch.no_grad():
        for name, tensor in step.tensors():
            tensor.copy_(tensors[name])
    step.generator.set_state(tensors["generator"])
    _default_generator(step.device).set_rng_state(tensors["default_generator"])
    return progress


def _default_generator(device: torch.device) -> Any:
    """The module that holds the generator which dropout draws from on a device."""
    return {"cuda": torch.cuda, "mps": torch.mps}.get(device.type, torch)
