"""Architectures, corruptions and data sets, found by the name of their file: to add one, add a file.

Files in a folder `common` or `parts` are shared by the entries beside it; they are no entries.
"""

import difflib
import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from rethinking.core.errors import UsageError
from rethinking.core.workspace import left_out

ROOT = Path(__file__).parent.parent
SHARED = {"common", "parts"}


def names(package: str) -> list[str]:
    """The entries of a package such as `models`, sorted; those of a sub-folder as `folder/name`."""
    folder = ROOT / package
    paths = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.py"))
    return sorted(path.as_posix() for path in paths if not any(_is_no_entry(part) for part in path.parts))


def _is_no_entry(part: str) -> bool:
    """Whether a part of a path is shared, or an editor's own, such as `.ipynb_checkpoints`."""
    return part in SHARED or part.startswith(("_", "."))


def require(package: str, name: str, key: str) -> None:
    """Raise UsageError, in the name of the parameter `key`, where the package has no entry `name`."""
    known, bare = names(package), name.strip(".")
    if "." in bare or "-" in bare and name in known:
        file = f"rethinking/{package}/{name.replace('.', '_').replace('-', '_')}.py"
        raise UsageError(
            f"{key}: found '{name}', but a dot ends a name for Python and DVC, and a dash in the name of a "
            f"run; call its file {file}"
        )
    file = f"rethinking/{package}/{name}.py"
    if name in known:
        return
    if left_out(file):
        raise UsageError(f"{key}: found '{name}', but --temp and --queue run what Git tracks; run `git add {file}`")
    raise UsageError(
        f"{key}: unknown name '{name}'{did_you_mean(name, known)}; allowed: {', '.join(known)}, or add {file}"
    )


def load(package: str, name: str, key: str) -> ModuleType:
    """Import the entry `name` of a package. Raises UsageError where there is none."""
    require(package, name, key)
    return importlib.import_module(f"rethinking.{package}.{name}".replace("/", "."))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean '...'?)` where a known word is close, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
