"""The checkpoint of a run: all that its next step depends on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from rethinking.core.state import load_state, save_state
from rethinking.training.device import dropout_generator
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
    generators = {
        "generator": step.generator.get_state(),
        "default_generator": dropout_generator(step.device).get_state(),
    }
    save_state(path, {**dict(step.tensors()), **generators}, progress.__dict__)


def load_checkpoint(path: Path, step: TrainingStep) -> Progress | None:
    """Bring `step` to the state on disk and return its progress; None where there is no whole checkpoint."""
    state = load_state(path)
    if state is None:
        return None
    tensors, values = state
    progress = Progress(**values)
    step.begin_epoch(progress.epoch, progress.step)
    with torch.no_grad():
        for name, tensor in step.tensors():
            tensor.copy_(tensors[name])
    step.copy_weights()
    step.generator.set_state(tensors["generator"])
    dropout_generator(step.device).set_state(tensors["default_generator"])
    return progress
