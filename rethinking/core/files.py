"""Files written whole or not at all, and folders sealed by the hashes of their files."""

import glob
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from rethinking.core import yaml12
from rethinking.core.errors import DataError, UsageError, require_dvc_alive


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it becomes `path` when the block ends well, else it is removed."""
    with _replacement(path) as partial:
        yield partial
        with open(partial, "rb") as file:
            os.fsync(file.fileno())


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; it replaces `path` when the block ends well, else it is removed."""
    with _replacement(path) as partial:
        partial.mkdir()
        yield partial


@contextmanager
def _replacement(path: Path) -> Iterator[Path]:
    """As `new_file` and `new_folder`; makes the folder of `path`, and removes what killed processes left there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        process = left.suffixes[-2].removeprefix(".")
        if not re.fullmatch("[0-9]{1,9}", process):
            continue  # none of ours
        if int(process) != os.getpid() and psutil.pid_exists(int(process)):
            continue
        _remove(left)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        require_dvc_alive()
        if partial.is_dir() and path.exists():
            shutil.rmtree(path)
        os.replace(partial, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say whose it is
        raise
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with new_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, with NaN and infinities as null (JSON has neither)."""
    write_text(path, json.dumps(finite(value), indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises DataError, naming it, where it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); run the pipeline that writes it first") from None


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises DataError, naming the file, where it is none."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path} holds {type(content).__name__}; expected a mapping; run the pipeline that writes it")
    return content


def read_yaml(path: Path) -> Any:
    """Read a YAML file as DVC reads it. Raises UsageError, with the file and where known the line, where it is none."""
    try:
        return yaml12.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path} is not valid YAML: {error}") from None


def finite(value: Any) -> Any:
    """Return `value` with every float that is not finite replaced by None, through nested dicts and lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(value: Any) -> str:
    """The SHA-256 of a JSON-serialisable value, independent of key order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def hashes_of_code(root: Path, places: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of every file of code in these places, files or folders, by path from the root."""
    paths = [root / name for name in places]
    files = [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    return {file.relative_to(root).as_posix(): sha256(file) for file in files}


def seal(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write meta.json into a folder: `meta`, the SHA-256 of every file there, and a seal over both."""
    hashes = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    whole = {**{key: value for key, value in meta.items() if key != "seal"}, "sha256": hashes}
    write_json(folder / "meta.json", {**whole, "seal": sha256_of(whole)})


def read_sealed(folder: Path, only: Collection[str] | None = None) -> dict[str, Any]:
    """The meta.json of a folder, once it and the files that it lists have every byte they were written with.

    `only` names the files to check where not all will be read. DVC hands out what is in its cache unread.
    Raises DataError.
    """
    remedy = "run `python -m tools.verify`, then `dvc repro`"
    try:
        meta = read_json(folder / "meta.json")
        hashes, expected = meta["sha256"], meta.pop("seal")
        if sha256_of(meta) != expected:
            raise ValueError
    except (DataError, ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{folder} holds no readable meta.json that nobody has changed; {remedy}") from None
    for name, recorded in hashes.items():
        if only is not None and name not in only:
            continue
        path = folder / Path(name).name
        try:
            found = sha256(path)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}); {remedy}") from None
        if found != recorded:
            raise DataError(f"{path} is damaged (it differs from its recorded hash); {remedy}")
    return meta
