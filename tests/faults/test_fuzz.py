"""Whatever stands in a file that a person or the network supplies, the answer is a result or one sentence."""

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethinking.core import config
from rethinking.core.arrays import open_dataset, save_arrays
from rethinking.core.errors import DataError, UsageError
from rethinking.core.files import read_yaml
from rethinking.paper.claims import load_claims
from rethinking.paper.verdicts import judge
from rethinking.sources import cifar10, imagefolder, mnist
from rethinking.theory.common import config as config_theory
from tests.conftest import ROOT
from tests.results.made import results_of
from tests.sources.archives import encode, write_tar, write_zip
from tests.yaml_text import as_yaml

quick = settings(max_examples=100, deadline=None, derandomize=True)
slow = settings(max_examples=40, deadline=None, derandomize=True)

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["$(rm -rf ~)", "`id`", "../../etc/passwd", "; ls", "__init__", "models/../config", "alexnet\n", ""]
    ),
    st.lists(st.one_of(st.integers(), st.text(max_size=5), st.floats()), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)
FILES = ["params.yaml", "demo/params.yaml", "theory/digits.yaml", "paper/params.yaml"]
DOCUMENTS = {name: read_yaml(ROOT / name) for name in FILES}


def places(node, path=()):
    """Every place of a nested document, the root left out."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(document, path, value, rename):
    """The document with another value at a place, or the same value under another key."""
    document = deepcopy(document)
    node = document
    for key in path[:-1]:
        node = node[key]
    if rename is not None and isinstance(node, dict):
        node[rename] = node.pop(path[-1])
    else:
        node[path[-1]] = value
    return document


def refusal(read):
    """Read; the sentence with which that was refused, None where it was not. Any other error passes through."""
    try:
        read()
    except (DataError, UsageError) as error:
        text = str(error)
    else:
        return None
    assert text
    assert "Traceback" not in text
    assert len(text) < 1000
    return text


def read_parameters(*paths):
    """All that a pipeline reads of its parameter files."""
    parameters = config.load(*paths)
    for run in parameters.planned_runs():
        parameters.of_run(run)
    if parameters.theory is not None:
        config_theory.load_theory(*paths)


@pytest.mark.parametrize("name", FILES)
def test_any_value_or_key_in_a_parameter_file_loads_or_is_refused_in_a_sentence(name, tmp_path):
    choices = list(places(DOCUMENTS[name]))
    base = [ROOT / "params.yaml"] if name == "paper/params.yaml" else []

    @quick
    @given(st.sampled_from(choices), VALUES, st.one_of(st.none(), st.text(max_size=12)))
    def check(path, value, rename):
        file = tmp_path / "params.yaml"
        file.write_text(as_yaml(changed(DOCUMENTS[name], path, value, rename)), encoding="utf-8")
        refusal(lambda: read_parameters(*base, file))

    check()


def test_any_bytes_as_a_parameter_file_are_refused_in_a_sentence(tmp_path):
    @quick
    @given(st.binary(max_size=200))
    def check(data):
        (tmp_path / "params.yaml").write_bytes(data)
        assert refusal(lambda: read_parameters(tmp_path / "params.yaml"))

    check()


def test_any_value_in_the_claims_loads_or_is_refused_in_a_sentence(tmp_path):
    document = {
        "tolerances": {"close": {"tolerance": 0.1, "reason": "as a test"}},
        "claims": [{"id": "a", "statement": "s", "source": "t", "kind": "value", "paper": 1.0}],
    }
    document["claims"][0] |= {"tolerance": "close", "metric": "cifar10/alexnet/none/plain/test_accuracy"}
    of_two = {"kind": "ordering", "metrics": [["theory/digits/norm"], ["parameters/alexnet"]], "any_size": True}
    document["claims"].append({"id": "b", "statement": "s", "source": "t", **of_two})
    grid = {"alexnet": {"none": {"plain": {"seed-0": {"test_accuracy": 0.5}}}}}
    results = results_of({"cifar10": grid, "theory": {"digits": {"norm": 1.0}}, "parameters": {"alexnet": 2}})
    choices = list(places(document))

    @quick
    @given(st.sampled_from(choices), VALUES)
    def check(path, value):
        (tmp_path / "claims.yaml").write_text(as_yaml(changed(document, path, value, None)), encoding="utf-8")
        refusal(judge_all)

    def judge_all():
        claims = load_claims(tmp_path / "claims.yaml")
        for claim in claims.claims:
            judge(claims, claim, results)

    check()


def damaged(data, position, replacement, cut):
    """Bytes with some replaced, and cut off where asked for."""
    position %= len(data)
    out = data[:position] + replacement + data[position + len(replacement) :]
    return out[: len(out) - cut % len(out)] if cut else out


DAMAGE = (st.integers(0, 2**31), st.binary(min_size=1, max_size=8), st.one_of(st.just(0), st.integers(1, 2**31)))


def test_a_damaged_array_is_never_opened_as_if_it_were_whole(tmp_path):
    arrays = {
        "train_images": np.zeros((4, 8, 8, 3), np.uint8),
        "train_labels": np.arange(4),
        "test_images": np.zeros((2, 8, 8, 3), np.uint8),
        "test_labels": np.arange(2),
    }
    save_arrays(tmp_path, arrays, {"dataset": "digits", "class_names": ["a", "b", "c", "d"]})
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}

    @quick
    @given(st.sampled_from(sorted(path for path in kept if path.suffix == ".npy")), *DAMAGE)
    def check(path, position, replacement, cut):
        data = damaged(kept[path], position, replacement, cut)
        path.write_bytes(data)
        said = refusal(lambda: open_dataset(tmp_path))
        path.write_bytes(kept[path])
        assert said is None if data == kept[path] else path.name in said

    check()


@pytest.mark.parametrize("source", [imagefolder, cifar10, mnist], ids=lambda module: module.__name__.rpartition(".")[2])
@pytest.mark.parametrize(("name", "write"), [("set.tar.gz", write_tar), ("set.zip", write_zip)])
def test_a_damaged_archive_is_read_or_refused_in_a_sentence_and_leaves_nothing(tmp_path, source, name, write):
    files = [f"{split}/{label}/0.png" for split in ("train", "test") for label in ("a", "b")]
    path = write(tmp_path / name, dict.fromkeys(files, encode(np.full((8, 8, 3), 20, np.uint8))))
    whole = path.read_bytes()

    @slow
    @given(*DAMAGE)
    def check(position, replacement, cut):
        path.write_bytes(damaged(whole, position, replacement, cut))
        refusal(lambda: source.read(str(path), tmp_path / "downloads"))
        assert [entry.name for entry in tmp_path.iterdir()] == [path.name]

    check()
