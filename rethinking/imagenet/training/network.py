"""What a row's run is made of: its network, its labels, and the hashes that name it."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from rethinking.core.errors import DataError
from rethinking.core.files import hashes_of_code, read_sealed, sha256_of
from rethinking.core.streams import Stream, stream_seed
from rethinking.imagenet.common.config import ARCH, Parameters, Row, Train
from rethinking.imagenet.common.index import Index
from rethinking.models import inception_v3
from rethinking.models.parts.network import ImageShape, channels_last, seeded

ROOT = Path(__file__).resolve().parents[3]
# What every training depends on in imagenet/dvc.yaml.
CODE = (
    "rethinking/core",
    "rethinking/imagenet/common",
    "rethinking/imagenet/training",
    f"rethinking/models/{ARCH}.py",
    "rethinking/models/parts",
    "stages/imagenet/train.py",
)


def network(train: Train, row: Row, classes: int) -> nn.Module:
    """The freshly initialised network of a row, on the CPU, channels last."""
    dropout = train.dropout if row.has("dropout") else 0.0

    def build(shape: ImageShape, classes: int, dropout: float) -> nn.Module:
        return inception_v3.build(shape, classes, dropout, train.width, auxiliary=train.auxiliary_loss > 0)

    shape = (3, train.input_size, train.input_size)
    return channels_last(seeded(build, shape, classes, dropout, stream_seed(train.seed, Stream.INITIALISATION)))


def open_labels(folder: Path, index: Index) -> tuple[np.ndarray, dict[str, Any]]:
    """The labels to learn (N,) int64 and the corruption. Raises DataError where they belong to another index."""
    meta = read_sealed(folder)
    if meta["index"] != index.fingerprint:
        raise DataError(f"{folder} holds the labels of another index; run `dvc repro` to make it again")
    return np.load(folder / "train_labels.npy"), meta["corruption"]


def run_fingerprint(index: Index, labels: np.ndarray) -> str:
    """A hash of every image and every label."""
    return sha256_of([index.fingerprint, labels.tolist()])


def run_key(parameters: Parameters, row: str, fingerprint: str, device: torch.device) -> str:
    """A hash of all that determines the run but the number of processes, any of which may go on with it."""
    return sha256_of(
        {
            "run": parameters.recipe(row),
            "data": fingerprint,
            "device": device.type,
            "versions": [torch.__version__, version("pillow")],
            "code": hashes_of_code(ROOT, CODE),
        }
    )
