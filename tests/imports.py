"""Which of the project's files a module reaches by import: what a stage must declare as its dependencies."""

import ast
from importlib.util import resolve_name
from pathlib import Path

from tests.stage_processes import ROOT

OURS = ("stages", "rethinking", "tools")


def source_files(*modules: str, root: Path = ROOT) -> list[str]:
    """The project's files that importing these modules runs, as paths from its root, sorted; imports are followed."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = file_of(module, root)
        if path is None or (name := path.relative_to(root).as_posix()) in found:
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


def file_of(module: str, root: Path) -> Path | None:
    """The file of a module of ours; None for a module of others and for a name that is none."""
    base = root.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None) if module.split(".")[0] in OURS else None
