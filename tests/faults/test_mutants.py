"""The mutants of `make mutants` are what they say: each still finds its place, so that none goes stale."""

import ast

import pytest

from tests.faults.mutants import MUTANTS, ROOT, mutated


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mistake.replace(" ", "-"))
def test_a_mutant_changes_a_function_of_the_project(mutant):
    source = (ROOT / mutant.file).read_text()
    changed = mutated(source, mutant.function, mutant.old, mutant.new)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))
    assert all((ROOT / path).exists() for path in mutant.tests.split())


def test_a_place_is_found_by_structure_and_only_in_its_function():
    source = (
        "def f():\n    return (  # why\n        a +\n        1)\nclass C:\n    def g(self):\n        return a + 1\n"
    )
    assert (
        mutated(source, "f", "a + 1", "b")
        == "def f():\n    return b\n\nclass C:\n\n    def g(self):\n        return a + 1"
    )
    assert "return a + 2" in mutated(source, "C.g", "1", "2")
    for function, old in (("g", "a"), ("f", "a + 2")):
        with pytest.raises(ValueError, match=function):
            mutated(source, function, old, "b")
