"""Folders that outlive a DVC stage: they lie beside DVC's outputs, in the main working copy."""

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


def checkpoints_folder() -> Path:
    """Training state from which a killed run continues."""
    return main_copy() / "checkpoints"
