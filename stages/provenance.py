"""What determines a result: the source files that a module reaches by import, and a fingerprint over all inputs."""

import ast
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from stages.files import sha256, sha256_of

ROOT = Path(__file__).resolve().parent.parent


def source_files(*modules: str) -> list[str]:
    """The project's files that importing these modules runs, as paths from its root, sorted; imports are followed."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = _file_of(module)
        if path is None or (name := path.relative_to(ROOT).as_posix()) in found:
            continue
        found.add(name)
        waiting += [".".join(module.split(".")[:depth]) for depth in range(1, module.count(".") + 1)]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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


def fingerprint(modules: list[str], **inputs: Any) -> str:
    """A hash of the code that the modules reach and of every other input, given as JSON-serialisable values."""
    code = {name: sha256(ROOT / name) for name in source_files(*modules)}
    return sha256_of({"code": code, **inputs})
