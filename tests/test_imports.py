"""The project's imports: the follower finds every file, and no room imports what stands above it."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rethinking.core import registry
from tests.imports import OURS, source_files
from tests.stage_processes import ROOT

STAGES = ROOT / "stages"
ENTRIES = [
    path.relative_to(STAGES).with_suffix("").as_posix()
    for path in sorted(STAGES.rglob("*.py"))
    if "__main__" in path.read_text()
]


def ours() -> list[str]:
    """The project's modules that are imported."""
    return [name for name in sys.modules if name.partition(".")[0] in OURS]


@pytest.fixture
def nothing_imported() -> Iterator[None]:
    """None of the project's modules is imported; afterwards those are back that other tests hold."""
    held = {name: sys.modules.pop(name) for name in ours()}
    yield
    for name in ours():
        del sys.modules[name]
    sys.modules.update(held)


def write(tree: Path, **files: str) -> None:
    """Write modules: `stages__a__b="..."` is stages/a/b.py; folders get an `__init__.py`."""
    for name, text in files.items():
        path = tree.joinpath(*name.split("__")).with_suffix(".py")
        for folder in list(path.relative_to(tree).parents)[-2::-1]:
            (tree / folder).mkdir(exist_ok=True)
            (tree / folder / "__init__.py").touch()
        path.write_text(text)


@pytest.mark.parametrize(
    "statement",
    [
        "import stages.pack.b",
        "import stages.pack.b as other",
        "import os, stages.pack.b",
        "from stages.pack import b",
        "from stages.pack import b as other",
        "from stages.pack import (\n    b,\n)",
        "from stages.pack.b import anything",
        "from stages.pack.b import *",
        "def late():\n    from stages.pack import b",
        "try:\n    import stages.pack.b\nexcept ImportError:\n    pass",
        "from . import pack\nfrom .pack import b",
        "from .pack.b import anything",
    ],
)
def test_an_import_is_followed_however_it_is_written(tmp_path: Path, statement: str) -> None:
    write(tmp_path, stages__a=statement, stages__pack__b="", stages__pack__unused="")
    assert source_files("stages.a", root=tmp_path) == [
        "stages/__init__.py",
        "stages/a.py",
        "stages/pack/__init__.py",
        "stages/pack/b.py",
    ]


@pytest.mark.parametrize(
    "statement", ["from . import c", "from .c import anything", "from .. import b", "from ..b import anything"]
)
def test_a_relative_import_starts_at_the_package_of_its_module(tmp_path: Path, statement: str) -> None:
    write(tmp_path, stages__pack__a=statement, stages__pack__b="", stages__pack__c="", stages__b="", stages__c="")
    expected = "stages/b.py" if ".." in statement else "stages/pack/c.py"
    assert set(source_files("stages.pack.a", root=tmp_path)) == {
        "stages/__init__.py",
        "stages/pack/__init__.py",
        "stages/pack/a.py",
        expected,
    }


@pytest.mark.parametrize("statement", ["from . import c", "from .c import anything"])
def test_a_relative_import_in_a_package_file_starts_at_that_package(tmp_path: Path, statement: str) -> None:
    write(tmp_path, stages__pack__a="", stages__pack__c="", stages__c="")
    (tmp_path / "stages/pack/__init__.py").write_text(statement)
    assert source_files("stages.pack", root=tmp_path) == [
        "stages/__init__.py",
        "stages/pack/__init__.py",
        "stages/pack/c.py",
    ]


def test_imports_are_followed_through_any_number_of_files_and_round_circles(tmp_path: Path) -> None:
    write(
        tmp_path,
        stages__a="import stages.b",
        stages__b="import stages.c",
        stages__c="import stages.a",
        stages__d="import os",
    )
    assert source_files("stages.a", root=tmp_path) == ["stages/__init__.py", *(f"stages/{name}.py" for name in "abc")]


def test_importing_a_module_runs_the_files_of_its_packages_and_what_they_import(tmp_path: Path) -> None:
    write(tmp_path, stages__pack__deep__a="", stages__b="")
    (tmp_path / "stages/pack/__init__.py").write_text("import stages.b")
    assert source_files("stages.pack.deep.a", root=tmp_path) == [
        "stages/__init__.py",
        "stages/b.py",
        "stages/pack/__init__.py",
        "stages/pack/deep/__init__.py",
        "stages/pack/deep/a.py",
    ]


def test_several_modules_give_the_union_of_their_files_sorted(tmp_path: Path) -> None:
    write(tmp_path, stages__b="", stages__a="", stages__c="")
    assert source_files("stages.b", "stages.a", root=tmp_path) == ["stages/__init__.py", "stages/a.py", "stages/b.py"]


def test_following_stops_at_the_project(tmp_path: Path) -> None:
    write(
        tmp_path,
        stages__a="import numpy\nimport json.decoder\nfrom json import tool\nimport timm",
        json__tool="",
        timm="",
    )
    assert source_files("stages.a", root=tmp_path) == ["stages/__init__.py", "stages/a.py"]


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_project_file_that_python_loads_for_an_entry_module_is_found(entry: str, nothing_imported: None) -> None:
    modules = [module_of(STAGES / f"{entry}.py")]
    if entry == "train":
        modules += [f"rethinking.models.{name}".replace("/", ".") for name in registry.names("models")]
    for name in modules:
        importlib.import_module(name)
    files = {Path(sys.modules[name].__file__ or "").relative_to(ROOT).as_posix() for name in ours()}
    assert f"stages/{entry}.py" in files
    assert files <= set(source_files(*modules))


# The rooms of the library from top to bottom: one imports what stands below it, and itself.
ROOMS = "report figures paper results theory imagenet training models corruptions sources parallel core".split()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_stands_below_it(room: str) -> None:
    modules = [module_of(path) for path in (ROOT / "rethinking" / room).rglob("*.py")]
    reached = {file.split("/")[1] for file in source_files(*modules) if file.count("/") > 1}
    assert reached <= set(ROOMS[ROOMS.index(room) :])
    assert not [file for file in source_files(*modules) if not file.startswith("rethinking/")]


def test_every_room_is_in_the_order() -> None:
    assert {path.parent.name for path in (ROOT / "rethinking").glob("*/__init__.py")} == set(ROOMS)


def test_models_know_no_data_and_training_reads_no_parameter_file() -> None:
    models = [module_of(path) for path in (ROOT / "rethinking/models").rglob("*.py")]
    assert "rethinking/core/arrays.py" not in source_files(*models)
    assert not [p for p in (ROOT / "rethinking/training").rglob("*.py") if "config.load(" in p.read_text()]


def test_no_stage_imports_another_or_a_tool() -> None:
    for entry in ENTRIES:
        files = [
            file for file in source_files(module_of(STAGES / f"{entry}.py")) if file.startswith(("stages", "tools"))
        ]
        others = [file for file in files if not file.startswith("rethinking/") and not file.endswith("/__init__.py")]
        assert others == [f"stages/{entry}.py"]


def module_of(path: Path) -> str:
    """The name of the module in a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
