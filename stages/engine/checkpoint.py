"""Training state on disk: written whole or not at all, read without executing anything."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from stages.engine.step import TrainingStep
from stages.files import new_file


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
    metadata = {"progress": json.dumps(progress.__dict__)}
    with new_file(path) as partial:
        save_file(tensors, partial, metadata)


def load_checkpoint(path: Path, step: TrainingStep) -> Progress | None:
    """Bring `step` to the state on disk and return its progress; None where there is no whole checkpoint.

    A damaged file counts as none: the run then starts over, to the same result.
    """
    try:
        with safe_open(path, "pt") as file:
            progress = Progress(**json.loads(file.metadata()["progress"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
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
