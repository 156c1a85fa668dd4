"""The whole pipeline on a hundred digits, through DVC: random labels are memorised."""

from ruamel.yaml import YAML

from rethinking.core.files import read_json, read_yaml
from rethinking.core.tables import read_table
from tests.pipeline_helpers import copy_of_project

KEPT = ("true_plain", "random_plain")
PLOT = "imagenet/dvc.yaml:plot_tiny"


def test_the_set_of_digits_runs_to_its_figures_and_memorises_random_labels(tmp_path):
    copy = copy_of_project(tmp_path / "project", ["imagenet"])
    yaml, path = YAML(), copy.folder / "imagenet/params.yaml"
    document = yaml.load(path)
    document["rows"] = {name: row for name, row in document["rows"].items() if name in KEPT}
    yaml.dump(document, path)
    copy.commit()
    ran = copy.repro(PLOT)
    assert {name.partition(":")[2] for name in ran if "train" in name} == {f"train_tiny@{row}" for row in KEPT}
    runs = read_table(copy.folder / "metrics/tiny/runs.csv").set_index("kind").to_dict("index")
    true, random = runs["none"], runs["labels"]
    assert random["train_accuracy"] == true["train_accuracy"] == 1
    assert random["test_accuracy"] < 0.3 < true["test_accuracy"]
    assert 0.3 < random["test_top5_accuracy"] < 0.8  # of ten classes
    audits = read_json(copy.folder / "metrics/tiny/audits.json")
    assert audits["labels-1.0"]["largest_train_accuracy"] == 1
    curves = read_table(copy.folder / "metrics/tiny/curves.csv")
    epochs = read_yaml(copy.folder / "imagenet/tiny.yaml")["train"]["epochs"]
    assert curves.groupby("run")["epoch"].max().tolist() == [epochs, epochs]
    for figure in ("figure_2a", "table_2"):
        assert (copy.folder / f"plots/tiny/{figure}.png").stat().st_size > 10_000
    assert not list((copy.folder / "checkpoints").glob("*"))
    assert copy.repro(PLOT) == []
    copy.change_params({"execution.workers": 1, "dataset.source": "./data/digits_jpeg"}, "imagenet/tiny.yaml")
    copy.change_params({"execution.live": False}, "imagenet/params.yaml")
    assert "train_tiny" not in copy.dvc("status", "--with-deps", PLOT)
    copy.change_params({"rows.random_plain.variant": "weight_decay"}, "imagenet/params.yaml")
    status = copy.dvc("status", "--with-deps", PLOT)
    assert "train_tiny@random_plain" in status
    assert "train_tiny@true_plain" not in status
