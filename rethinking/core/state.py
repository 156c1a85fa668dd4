"""The state of a training on disk: written whole or not at all; read, without executing anything, if its checksum is
right."""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from rethinking.core.files import new_file


def save_state(path: Path, tensors: Mapping[str, Tensor], progress: Mapping[str, Any]) -> None:
    """Write tensors and JSON-serialisable values, atomically."""
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(progress)
    with new_file(path) as partial:
        # Not save_file, whose error on a full disk names neither the disk nor the file.
        partial.write_bytes(save(copies, {"progress": text, "sha256": checksum(copies, text)}))


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors on the CPU and values as they were written; None where there is no whole file.

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
        return tensors, json.loads(metadata["progress"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        print(f"warning: the checkpoint {path} is damaged ({error}); the run starts over", file=sys.stderr)
        return None


def checksum(tensors: dict[str, Tensor], progress: str) -> str:
    """The SHA-256 of a whole state: names, types, shapes and values."""
    return hashlib.sha256(save(tensors, {"progress": progress})).hexdigest()
