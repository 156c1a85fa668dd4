"""What determines a result: the source files that a module reaches by import, and a fingerprint over all inputs."""

import ast
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from stages.errors import DataError
from stages.files import read_json, sha256_of

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def source_files(*modules: str) -> list[str]:
    """The project's files that importing these modules runs, as paths from its root, sorted; imports are followed.

    Raises DataError for a file that is not Python.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = _file_of(module)
        if path is None or (name := path.relative_to(ROOT).as_posix()) in found:
            continue
        found.add(name)
        waiting += [".".join(module.split(".")[:depth]) for depth in range(1, module.count(".") + 1)]
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            raise DataError(f"{name}, line {error.lineno}: {error.msg}") from None
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                base = resolve_name("." * node.level + (node.module or ""), package)
                waiting += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return sorted(found)


def _file_of(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None) if module.split(".")[0] == "stages" else None


def code_hashes(*modules: str) -> dict[str, str]:
    """The hash of the code of every file that these modules reach, by path from the project's root."""
    return {name: sha256_of(code_of((ROOT / name).read_text(encoding="utf-8"))) for name in source_files(*modules)}


def code_of(text: str) -> str:
    """A Python file as its syntax tree, without docstrings: layout and comments change no result either."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            del node.body[0]
    return _spelled_out(tree)


def _spelled_out(node: Any) -> str:
    """A syntax tree as text without what is empty, in which versions of Python differ."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value is not None and value != [])
        return f"{type(node).__name__}({', '.join(f'{name}={_spelled_out(value)}' for name, value in fields)})"
    return f"[{', '.join(map(_spelled_out, node))}]" if isinstance(node, list) else repr(node)


def training_modules(arch: str) -> list[str]:
    """The modules from which all code is reached that trains an architecture."""
    return ["stages.train", f"stages.models.{arch}".replace("/", ".")]


def require_code(manifest: Path, arch: str) -> None:
    """Raise DataError where what stage `code` wrote of an architecture is not the code that would train it now."""
    now = code_hashes(*training_modules(arch))
    try:
        written = dict(read_json(manifest))
    except (TypeError, ValueError):
        raise DataError(f"{manifest} is not what stage code writes; delete it and run `dvc repro` again") from None
    if changed := sorted(name for name in {*written, *now} if written.get(name) != now.get(name)):
        raise DataError(f"{manifest} is of other code than there is now ({', '.join(changed)}); run `dvc repro` again")


def fingerprint(modules: list[str], **inputs: Any) -> str:
    """A hash of the code that the modules reach and of every other input, given as JSON-serialisable values."""
    return sha256_of({"code": code_hashes(*modules), **inputs})
