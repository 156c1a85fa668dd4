"""Folders that outlive a DVC stage: they lie in the main working copy, outside DVC's outputs."""

import glob
import os
from pathlib import Path
from urllib.parse import unquote

from rethinking.core.errors import DataError


def main_copy() -> Path:
    """The project's folder; in a copy of `dvc exp run --temp`, which DVC deletes, the folder it was copied from."""
    here = Path.cwd().resolve()
    for folder in here.parents:
        if folder.name == "exps" and folder.parent.name == "tmp" and folder.parent.parent.name == ".dvc":
            return folder.parent.parent.parent
    return here


def left_out(path: str | Path) -> bool:
    """Whether a copy of `dvc exp run --temp`, which gets what Git tracks, lacks a file that the main copy has."""
    return not os.path.exists(path) and os.path.exists(main_copy() / path)  # False, too, for what can be no path


def require_experiment_kept() -> None:
    """Raise DataError in a copy of `dvc exp run --temp` or `--queue` whose results DVC would lose, with exit code 0.

    DVC brings them back as a Git push to the URL of the folder: not from a shallow clone, and not to a folder whose
    name the URL decodes to another.
    """
    main = main_copy()
    if main == Path.cwd().resolve():
        return
    if (main / ".git/shallow").exists():
        raise DataError(
            "--temp and --queue would lose the results, as this clone is shallow; run `git fetch --unshallow`"
        )
    if unquote(str(main)) != str(main):
        raise DataError(
            f"--temp and --queue would lose the results, as '{main}' has % and two digits in its name; rename it"
        )


def downloads_folder() -> Path:
    """Verified official archives, downloaded once."""
    return main_copy() / "downloads"


def checkpoint_file(run: Path, key: str) -> Path:
    """The file of a run's training state, named by the run's folder and the hash of all that determines the run."""
    return main_copy() / "checkpoints" / f"{_name(run)}@{key}.safetensors"


def checkpoints_of(run: Path) -> list[Path]:
    """The training states in the run's folder's name, also those by other recipes, as of an experiment."""
    return sorted((main_copy() / "checkpoints").glob(f"{glob.escape(_name(run))}@*.safetensors"))


def _name(run: Path) -> str:
    return run.as_posix().replace("/", "-")
