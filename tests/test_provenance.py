"""What determines a result: every project file that a module reaches by import, and a fingerprint of all inputs."""

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages import provenance, registry
from stages.errors import DataError
from stages.files import write_json
from stages.provenance import ROOT, code_hashes, code_of, fingerprint, require_code, source_files, training_modules

ENTRIES = [path.stem for path in sorted((ROOT / "stages").glob("*.py")) if "__main__" in path.read_text()]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project in place of ours."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path


def ours() -> list[str]:
    """The project's modules that are imported."""
    return [name for name in sys.modules if name.partition(".")[0] == "stages"]


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
def test_an_import_is_followed_however_it_is_written(tree: Path, statement: str) -> None:
    write(tree, stages__a=statement, stages__pack__b="", stages__pack__unused="")
    assert source_files("stages.a") == [
        "stages/__init__.py",
        "stages/a.py",
        "stages/pack/__init__.py",
        "stages/pack/b.py",
    ]


@pytest.mark.parametrize(
    "statement", ["from . import c", "from .c import anything", "from .. import b", "from ..b import anything"]
)
def test_a_relative_import_starts_at_the_package_of_its_module(tree: Path, statement: str) -> None:
    write(tree, stages__pack__a=statement, stages__pack__b="", stages__pack__c="", stages__b="", stages__c="")
    expected = "stages/b.py" if ".." in statement else "stages/pack/c.py"
    assert set(source_files("stages.pack.a")) == {
        "stages/__init__.py",
        "stages/pack/__init__.py",
        "stages/pack/a.py",
        expected,
    }


@pytest.mark.parametrize("statement", ["from . import c", "from .c import anything"])
def test_a_relative_import_in_a_package_file_starts_at_that_package(tree: Path, statement: str) -> None:
    write(tree, stages__pack__a="", stages__pack__c="", stages__c="")
    (tree / "stages/pack/__init__.py").write_text(statement)
    assert source_files("stages.pack") == ["stages/__init__.py", "stages/pack/__init__.py", "stages/pack/c.py"]


def test_imports_are_followed_through_any_number_of_files_and_round_circles(tree: Path) -> None:
    write(
        tree,
        stages__a="import stages.b",
        stages__b="import stages.c",
        stages__c="import stages.a",
        stages__d="import os",
    )
    assert source_files("stages.a") == ["stages/__init__.py", *(f"stages/{name}.py" for name in "abc")]


def test_importing_a_module_runs_the_files_of_its_packages_and_what_they_import(tree: Path) -> None:
    write(tree, stages__pack__deep__a="", stages__b="")
    (tree / "stages/pack/__init__.py").write_text("import stages.b")
    assert source_files("stages.pack.deep.a") == [
        "stages/__init__.py",
        "stages/b.py",
        "stages/pack/__init__.py",
        "stages/pack/deep/__init__.py",
        "stages/pack/deep/a.py",
    ]


def test_several_modules_give_the_union_of_their_files_sorted(tree: Path) -> None:
    write(tree, stages__b="", stages__a="", stages__c="")
    assert source_files("stages.b", "stages.a") == ["stages/__init__.py", "stages/a.py", "stages/b.py"]


def test_following_stops_at_the_project(tree: Path) -> None:
    write(
        tree, stages__a="import numpy\nimport json.decoder\nfrom json import tool\nimport timm", json__tool="", timm=""
    )
    assert source_files("stages.a") == ["stages/__init__.py", "stages/a.py"]


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_project_file_that_python_loads_for_an_entry_module_is_found(entry: str, nothing_imported: None) -> None:
    modules = [f"stages.{entry}"]
    if entry == "train":
        modules += [f"stages.models.{name}".replace("/", ".") for name in registry.names("models")]
    for name in modules:
        importlib.import_module(name)
    files = {Path(sys.modules[name].__file__ or "").relative_to(ROOT).as_posix() for name in ours()}
    assert f"stages/{entry}.py" in files
    assert files <= set(source_files(*modules))


def test_the_fingerprint_is_the_same_for_the_same_code_and_inputs(tree: Path) -> None:
    write(tree, stages__a="import stages.b", stages__b="x = 1")
    first = fingerprint(["stages.a"], seed=0, recipe={"lr": 0.1, "epochs": 2})
    assert fingerprint(["stages.a"], recipe={"epochs": 2, "lr": 0.1}, seed=0) == first


def test_the_fingerprint_changes_with_a_file_that_is_reached_only_through_another(tree: Path) -> None:
    write(tree, stages__a="import stages.b", stages__b="x = 1")
    before = fingerprint(["stages.a"], seed=0)
    write(tree, stages__b="x = 2")
    assert fingerprint(["stages.a"], seed=0) != before


def test_the_fingerprint_does_not_change_with_a_file_that_is_not_reached(tree: Path) -> None:
    write(tree, stages__a="import stages.b", stages__b="x = 1", stages__c="x = 1")
    before = fingerprint(["stages.a"], seed=0)
    write(tree, stages__c="x = 2")
    assert fingerprint(["stages.a"], seed=0) == before


def test_the_fingerprint_changes_when_a_file_is_renamed(tree: Path) -> None:
    write(tree, stages__b="x = 1", stages__c="x = 1")
    assert fingerprint(["stages.b"]) != fingerprint(["stages.c"])


@pytest.mark.parametrize(
    "inputs", [{"seed": 1}, {"seed": 0.5}, {"seed": None}, {"seeds": 0}, {"seed": 0, "more": 0}, {}]
)
def test_the_fingerprint_changes_with_every_input(tree: Path, inputs: dict) -> None:
    write(tree, stages__a="")
    assert fingerprint(["stages.a"], **inputs) != fingerprint(["stages.a"], seed=0)


CODE = """
def total(values):
    return f"{sum(values)} # of them"

class Thing:
    name = "x"
    lines = '''first
last'''

def negative(values):
    f"{values}"
    x = 1 \\
    -values
"""

WITHOUT_EFFECT = [
    '"""What it is for."""\n' + CODE,
    "'What it is for.'  # and why\n" + CODE,
    "# why\n" + CODE,
    CODE.replace("return", "# why\n\n    return"),
    CODE.replace("return", '"""The sum\n\n    of them. # all"""\n    return'),
    CODE.replace('"x"', '"x"  # why'),
    CODE.replace("class Thing:", 'class Thing:\n    r"""A thing."""\n'),
    CODE.replace(":\n", ":\n\n"),
    CODE.replace("values):", "values):   "),
    CODE.replace("(values)", "(\n        values,\n    )", 1).replace("'''first\nlast'''", '"first\\nlast"'),
]


@pytest.mark.parametrize("text", WITHOUT_EFFECT)
def test_the_code_of_a_file_is_without_comments_docstrings_and_layout(text: str) -> None:
    assert text != CODE
    assert code_of(text) == code_of(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# of them", "# in all"),
        ('"x"', '"y"'),
        ("sum", "max"),
        ('    name = "x"', '    """x"""'),
        ("    return", "    yield"),
        ("class", "total = None\nclass"),
        ("last", "\n last"),
        ("first", "first "),
        ('    f"{values}"\n', ""),
        ("\\\n", "\\\n\n"),
    ],
)
def test_the_code_of_a_file_changes_with_everything_else(old: str, new: str) -> None:
    assert old in CODE
    assert code_of(CODE.replace(old, new)) != code_of(CODE)


def test_the_code_of_our_own_files_changes_with_every_number_and_not_with_their_layout() -> None:
    changed = 0
    for name in source_files("stages.train", "stages.models.alexnet"):
        text = (ROOT / name).read_text(encoding="utf-8")
        program = ast.parse(text)
        assert code_of(ast.unparse(program)) == code_of(text), name
        numbers = [
            node for node in ast.walk(program) if isinstance(node, ast.Constant) and type(node.value) in (int, float)
        ]
        for number in numbers:
            number.value += 1
            assert code_of(ast.unparse(program)) != code_of(text), (name, number.lineno)
            number.value -= 1
        changed += len(numbers)
    assert changed > 100


def test_training_refuses_a_manifest_of_other_code(tmp_path: Path) -> None:
    hashes, manifest = code_hashes(*training_modules("alexnet")), tmp_path / "alexnet.json"
    write_json(manifest, hashes)
    require_code(manifest, "alexnet")
    write_json(manifest, hashes | {"stages/engine/step.py": "0" * 64})
    with pytest.raises(DataError, match=r"alexnet.json is of other code than there is now \(stages/engine/step.py\)"):
        require_code(manifest, "alexnet")
    manifest.write_text("[1]")
    with pytest.raises(DataError, match=r"alexnet.json is not what stage code writes"):
        require_code(manifest, "alexnet")
    write_json(manifest, hashes)
    with pytest.raises(DataError, match=r"stages/models/alexnet.py, stages/models/mlp_1x512.py"):
        require_code(manifest, "mlp_1x512")
