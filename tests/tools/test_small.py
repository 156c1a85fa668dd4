"""The paper in small: the grid's runs on a part of the images, and their verdicts under a heading of their own."""

from dataclasses import replace

import pytest

from rethinking.core import config
from rethinking.core.files import read_json, write_text
from rethinking.core.tables import read_table, write_table
from rethinking.training.recipe import recipe_of
from tests.conftest import ROOT
from tests.results.made import write_metrics
from tests.tools.test_check import write_set
from tests.tools.test_reference import take_from_project

FILES = [ROOT / name for name in ("params.yaml", "paper/params.yaml", "paper/cifar10.yaml")]
SMALL = [*FILES[:2], ROOT / "paper/small.yaml"]


def test_it_has_every_run_of_the_grid_but_those_of_other_batch_sizes():
    whole, small = (config.load(*files).planned_runs() for files in (FILES, SMALL))
    assert small == [run for run in whole if "batch_size" not in run.variant]


def test_every_network_has_the_same_steps_and_its_own_rate_that_falls_as_far_as_in_the_grid():
    whole, small = (config.load(*files) for files in (FILES, SMALL))
    steps = set()
    for arch in {run.arch for run in small.planned_runs()}:
        long, short = recipe_of(whole, arch), recipe_of(small, arch)
        steps.add(short.epochs * -(-small.dataset.train_size // short.batch_size))
        assert replace(short, epochs=long.epochs) == long
        assert short.lr_at(1) == long.lr_at(1)
        assert short.lr_at(short.epochs) == pytest.approx(long.lr_at(long.epochs), rel=0.05)
    assert len(steps) == 1
    assert steps.pop() <= 5000


@pytest.fixture(autouse=True)
def project_path(monkeypatch):
    """The tool starts stages by their names, as from the project's root."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def write_small(folder):
    """What `make report-small` finds: runs on 5,000 images."""
    write_metrics(folder / "made")
    (folder / "metrics/small").mkdir(parents=True)
    (folder / "made/cifar10").rename(folder / "metrics/small/cifar10")
    path = folder / "metrics/small/cifar10/runs.csv"
    write_table(path, read_table(path).assign(train_size=5000))
    take_from_project(folder, "params.yaml", "paper/params.yaml", "paper/small.yaml", "paper/claims.yaml")


def test_it_has_verdicts_on_what_holds_at_any_size_alone_beside_those_of_the_whole_grid(tmp_path, run_stage):
    write_small(tmp_path)
    done = run_stage("tools.report", "--small", "--metrics", "metrics/small")
    assert done.returncode == 0, done.stderr
    verdicts = {each["id"]: each for each in read_json(tmp_path / "metrics/small/claims.json")}
    assert verdicts["figure_1a_true_labels_first"]["verdict"] != "not run"
    assert verdicts["figure_1a_true_labels_first"]["data"] == ["cifar10-jpeg, 5,000 images"]
    assert not verdicts.keys() & {"table_1_inception_plain_test", "kernel_mnist_gabor_better", "parameters_alexnet"}
    page = (tmp_path / "report-small.html").read_text(encoding="utf-8")
    assert "reproduced in small</h1>" in page
    assert "dvc repro paper/dvc.yaml:figure_1_small@inception-none-plain-0" in page
    assert (tmp_path / "plots/small/paper/figure_1a.png").exists()
    assert '<figure id="figure-1a">' in page
    for name in ("mnist", "batch_size", "figure_2a"):  # which the grid in small has not
        assert not (tmp_path / f"plots/small/paper/{name}.png").exists()
        assert f'<figure id="{name.replace("_", "-")}">' not in page
    assert not (tmp_path / "metrics/claims.json").exists()

    # It is recorded and combined beside the whole grid.
    write_text(tmp_path / "paper/dvc.lock", "stages: {}")
    write_set(tmp_path / "data/small", 0, 1)
    done = run_stage("tools.record_reference", "--out", "kept")
    assert done.returncode == 0, done.stderr
    assert list(read_json(tmp_path / "kept/data.json")) == ["data/small"]
    assert (tmp_path / "kept/paper/small.yaml").exists()
    assert run_stage("tools.combine", "kept", "--out", "both").returncode == 0
    done = run_stage("tools.report", "--metrics", "both/metrics", "--out", "page.html", "--results", "results.md")
    assert done.returncode == 0, done.stderr
    for name in ("claims.json", "cifar10/runs.csv"):
        kept, combined = (tmp_path / folder / "metrics/small" / name for folder in ("kept", "both"))
        assert kept.read_bytes() == combined.read_bytes()
    in_small = (tmp_path / "results.md").read_text(encoding="utf-8").partition("## In small")[2]
    assert "The loss falls first on true labels" in in_small
    assert "Gabor" not in in_small
