"""The theory stages as a user runs them, on a few digits: the keys of their results, the same bytes, the refusals."""

import json

import numpy as np
import pytest

from rethinking.core.arrays import save_arrays
from rethinking.core.files import read_json, read_yaml
from rethinking.core.tables import read_table
from rethinking.sources import digits
from tests.conftest import ROOT, set_keys
from tests.synthetic import save_raw
from tests.yaml_text import as_yaml

SMALL = {
    "device": "cpu",
    "expressivity.sizes": [50, 300],
    "minimum_norm.train_size": 50,
    "minimum_norm.features": 200,
    "minimum_norm.epochs": 20,
    "minimum_norm.counts": [10, 50, 100],
}
KERNEL_KEYS = {
    *("dataset", "features", "labels", "train_size", "test_size", "bandwidth", "ridge", "test_error"),
    *("train_accuracy", "relative_residual", "steps", "norm", "class_norms", "coefficient_norm"),
}


@pytest.fixture
def parameters(tmp_path):
    """Write theory/digits.yaml made small and changed at some places; return its path."""

    def write(changes=()):
        document = read_yaml(ROOT / "theory/digits.yaml")
        for kernel in document["theory"]["kernel"].values():
            kernel.update({"search_size": 100, "held_out": 100})
        set_keys(document["theory"], {**SMALL, **dict(changes)})
        path = tmp_path / "theory.yaml"
        path.write_text(as_yaml(document), encoding="utf-8")
        return path

    return write


@pytest.fixture
def raw(tmp_path):
    """A raw set of 200 + 100 digits."""
    return save_raw(tmp_path / "raw", digits.read("official", tmp_path).subset(200, 100, seed=0))


@pytest.fixture
def run(run_stage, parameters, raw):
    """Run a theory stage; fail with what it printed."""

    def start(name, *arguments, changes=()):
        result = run_stage(name, "--params", parameters(changes), *arguments)
        assert result.returncode == 0, result.stderr
        return result

    return start


def test_all_stages_of_a_data_set_to_its_figures(run, run_stage, tmp_path):
    for name in ("expressivity", "minimum_norm"):
        run(name, "--raw", "raw", "--out", f"runs/{name}")
    for name in ("pixels", "gabor", "random_patches"):
        printed = run("kernel", "--name", name, "--raw", "raw", "--out", f"runs/kernel/{name}").stdout
        assert ("2 of 2 blocks of filters" in printed) == (name == "random_patches")
    run("collect_theory", "--runs", "runs", "--out", "metrics")
    summary = read_json(tmp_path / "metrics/summary.json")
    assert summary["expressivity"]["label_accuracy"] == 1
    assert summary["expressivity"]["weights"] == 2 * 300 + 3072
    assert summary["expressivity"]["deep"]["label_accuracy"] == 1
    assert set(summary["kernel"]["random_patches"]) == {"true_labels", "random_labels", "true_labels_l2"}
    assert summary["kernel"]["random_patches"]["true_labels"]["filters"] == 100
    for name, results in summary["kernel"].items():
        for key, result in results.items():
            assert set(result) == KERNEL_KEYS | ({"filters"} if "patches" in name else set())
            assert result["relative_residual"] < 1e-6
            assert (result["train_accuracy"] == 1) or key.endswith("l2")
            assert np.sqrt(np.square(result["class_norms"]).sum()) == pytest.approx(result["norm"])
        assert results["true_labels"]["test_error"] < 0.3
        assert results["random_labels"]["test_error"] > 0.7
    for out in ("plots", "again"):
        assert run_stage("plot_theory", "--metrics", "metrics", "--out", out).returncode == 0
    figures = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert len(figures) == 8
    for name in figures:
        assert (tmp_path / "plots" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_the_same_stage_twice_writes_the_same_bytes_and_another_seed_others(run, tmp_path):
    for stage, more in (("minimum_norm", ()), ("kernel", ("--name", "random_patches"))):
        for out, seed in (("first", 0), ("second", 0), ("third", 1)):
            run(stage, *more, "--raw", "raw", "--out", f"{stage}-{out}", changes={"seed": seed})
        names = sorted(path.name for path in (tmp_path / f"{stage}-first").iterdir())
        first, second, third = (
            [(tmp_path / f"{stage}-{out}" / name).read_bytes() for name in names]
            for out in ("first", "second", "third")
        )
        assert first == second
        assert first != third


def test_the_test_set_does_not_change_what_is_chosen(run, tmp_path):
    run("kernel", "--name", "gabor", "--raw", "raw", "--out", "first")
    arrays = {path.stem: np.load(path) for path in (tmp_path / "raw").glob("*.npy")}
    arrays["test_images"] = 255 - arrays["test_images"]
    arrays["test_labels"] = (arrays["test_labels"] + 1) % 10
    (tmp_path / "other").mkdir()
    save_arrays(tmp_path / "other", arrays, read_json(tmp_path / "raw/meta.json"))
    run("kernel", "--name", "gabor", "--raw", "other", "--out", "second")
    first, second = (json.loads((tmp_path / out / "result.json").read_text()) for out in ("first", "second"))
    assert first[0]["test_error"] != second[0]["test_error"]
    assert first[0]["bandwidth"] == second[0]["bandwidth"]
    assert read_table(tmp_path / "first/search.csv").equals(read_table(tmp_path / "second/search.csv"))


def test_a_theory_is_validated_together_with_a_file_that_replaces_some_of_its_keys(run_stage, parameters, failure):
    parameters().with_name("size.yaml").write_text("dataset: {train_size: 300}\n")
    files = ("--params", "theory.yaml", "size.yaml", "--out", "valid.txt")
    assert run_stage("validate", *files).returncode == 0
    parameters({"seed": -1})
    assert failure("validate", *files)[1].endswith("(theory.yaml with size.yaml)")


@pytest.mark.parametrize(
    ("stage", "more", "changes", "words"),
    [
        ("kernel", ("--name", "pixel"), {}, "theory.kernel: no kernel 'pixel' (did you mean 'pixels'?)"),
        (*("kernel", ("--name", "pixels")), {"kernel.pixels.held_out": 200}, "200 training images"),
        ("expressivity", (), {"expressivity.sizes": [301]}, "found 301, but there are 300 images"),
        ("minimum_norm", (), {"minimum_norm.train_size": 201}, "found 201"),
    ],
)
def test_a_wrong_parameter_is_one_sentence(raw, failure, parameters, stage, more, changes, words):
    code, line = failure(stage, "--params", parameters(changes), *more, "--raw", "raw", "--out", "out")
    assert code in (1, 2)
    assert words in line
