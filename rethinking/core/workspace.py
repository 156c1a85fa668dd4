"""Folders that outlive a DVC stage: they lie beside DVC's outputs, in the main working copy."""

import glob
from pathlib import Path


def main_copy() -> Path:
    """The project's folder; for a `dvc exp run --temp` copy, which DVC deletes, the copy it was made from."""
    here = Path.cwd().resolve()
    for folder in here.parents:
        if folder.name == "exps" and folder.parent.name == "tmp" and folder.parent.parent.name == ".dvc":
            return folder.parent.parent.parent
    return here


def downloads_folder() -> Path:
    """Verified official archives, downloaded once."""
    return main_copy() / "downloads"


def checkpoint_file(run: Path, key: str) -> Path:
    """Where the training state of a run, by its folder, is kept under the hash of all that determines it."""
    return main_copy() / "checkpoints" / f"{_name(run)}@{key}.safetensors"


def forget_checkpoints(run: Path) -> None:
    """Delete the training states of a run that DVC has stored: from here on they would stand in for a real re-run."""
    for path in (main_copy() / "checkpoints").glob(f"{glob.escape(_name(run))}@*.safetensors"):
        path.unlink(missing_ok=True)


def _name(run: Path) -> str:
    return run.as_posix().replace("/", "-")
