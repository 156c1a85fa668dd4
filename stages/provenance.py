"""What determines a result: the source files that a module reaches by import, and a fingerprint over all inputs."""

import ast
import io
import tokenize
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from stages.errors import DataError
from stages.files import read_json, sha256_of

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


def code_hashes(*modules: str) -> dict[str, str]:
    """The hash of the code of every file that these modules reach, by path from the project's root."""
    return {name: sha256_of(code_of((ROOT / name).read_text(encoding="utf-8"))) for name in source_files(*modules)}


def code_of(text: str) -> str:
    """A Python file's text without comments, docstrings and empty lines, none of which changes a result."""
    lines = text.split("\n")
    for (first, left), (last, right) in reversed(_spans_without_effect(text)):
        lines[first - 1 : last] = [lines[first - 1][:left] + lines[last - 1][right:]]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _spans_without_effect(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where comments and docstrings begin and end, as (line from 1, column from 0)."""
    spans = []
    at_line_start, beginning = True, None  # of a string that stands alone in its line so far
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            spans.append((token.start, token.end))
        elif token.type == tokenize.STRING and at_line_start:
            beginning, at_line_start = (token.start, token.end), False
        elif token.type == tokenize.NEWLINE:
            spans += [beginning] if beginning else []
            at_line_start, beginning = True, None
        elif token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
            at_line_start, beginning = False, None
    return sorted(spans)


def training_modules(arch: str) -> list[str]:
    """The modules from which all code is reached that trains an architecture."""
    return ["stages.train", f"stages.models.{arch}".replace("/", ".")]


def require_code(manifest: Path, arch: str) -> None:
    """Raise DataError where what stage `code` wrote of an architecture is not the code that would train it now."""
    written, now = read_json(manifest), code_hashes(*training_modules(arch))
    if changed := sorted(name for name in {*written, *now} if written.get(name) != now.get(name)):
        raise DataError(f"{manifest} is of other code than there is now ({', '.join(changed)}); run `dvc repro` again")


def fingerprint(modules: list[str], **inputs: Any) -> str:
    """A hash of the code that the modules reach and of every other input, given as JSON-serialisable values."""
    return sha256_of({"code": code_hashes(*modules), **inputs})
