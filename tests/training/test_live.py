import csv

import pytest

from rethinking.core.errors import UsageError
from rethinking.training.live import DvcLive, TensorBoard, followers

ROW = {"epoch": 1, "step": 10, "train_loss": 0.5, "train_accuracy": 0.75, "corrupted_subset_accuracy": None}


def test_dvclive_writes_a_curve_of_every_number(tmp_path):
    live = DvcLive(tmp_path / "live")
    for epoch in (1, 2, 3):
        live.log({**ROW, "epoch": epoch, "train_loss": 1 / epoch})
    live.close()
    with open(tmp_path / "live/plots/metrics/train_loss.tsv") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert "train_loss" in (tmp_path / "live/report.html").read_text()
    assert [(int(row["step"]), float(row["train_loss"])) for row in rows] == [
        (1, 1.0),
        (2, 0.5),
        (3, pytest.approx(1 / 3)),
    ]


@pytest.mark.parametrize("package", ["wandb", "tensorboard"])
def test_a_mirror_whose_package_is_absent_says_what_to_install(tmp_path, package, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(UsageError, match=f"train.mirror: '{package}' is not installed.*requirements-{package}.txt"):
        followers(False, package, "run", tmp_path, {})


def test_nothing_follows_unless_asked(tmp_path):
    assert followers(False, "none", "run", tmp_path, {}) == []
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_gets_an_event_file(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is optional: requirements-tensorboard.txt")
    mirror = TensorBoard(tmp_path)
    mirror.log(ROW)
    mirror.close()
    assert any(path.stat().st_size > 0 for path in (tmp_path / "tensorboard").iterdir())
