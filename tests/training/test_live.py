import csv
from pathlib import Path
from types import SimpleNamespace

import pytest

from rethinking.core.errors import UsageError
from rethinking.training.live import DvcLive, ProgressBar, TensorBoard, followed

RUN = Path("runs/one")
ROW = {"epoch": 1, "step": 10, "train_loss": 0.5, "train_accuracy": 0.75, "test_accuracy": 0.5}
ROW["corrupted_subset_accuracy"] = None


def settings(live, mirror="none"):
    return SimpleNamespace(live=live, mirror=mirror)


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
    monkeypatch.chdir(tmp_path)
    expected = f"train.mirror: '{package}' is not installed.*requirements-{package}.txt"
    with pytest.raises(UsageError, match=expected), followed(ProgressBar("run", 10), settings(False, package), RUN, {}):
        pass


@pytest.mark.parametrize("live", [False, True])
def test_a_bar_follows_and_files_are_written_only_where_asked_for(tmp_path, live, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bar = ProgressBar("run", 10)
    with followed(bar, settings(live), RUN, {}) as log:
        log(ROW)
    assert bar.bar.n == ROW["step"]
    assert (tmp_path / "live/runs/one/report.html").exists() == live
    assert live or not list(tmp_path.iterdir())


def test_a_run_that_goes_on_or_starts_anew_leaves_one_curve(tmp_path):
    for losses in ([0.9, 0.8, 0.7], [0.5, 0.4]):
        live = DvcLive(tmp_path)
        for epoch, loss in enumerate(losses, start=1):
            live.log({**ROW, "epoch": epoch, "train_loss": loss})
        live.close()
    with open(tmp_path / "plots/metrics/train_loss.tsv") as file:
        assert [float(row["train_loss"]) for row in csv.DictReader(file, delimiter="\t")] == [0.5, 0.4]


def test_tensorboard_gets_one_curve_of_a_run_that_goes_on_or_starts_anew(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is optional: requirements-tensorboard.txt")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for losses in ([0.9, 0.8, 0.7], [0.5, 0.25]):
        mirror = TensorBoard(tmp_path)
        for epoch, loss in enumerate(losses, start=1):
            mirror.log({**ROW, "epoch": epoch, "train_loss": loss})
        mirror.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("train_loss")] == [(1, 0.5), (2, 0.25)]


def test_wandb_writes_below_the_folder_of_live_curves_only(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is optional: requirements-wandb.txt")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    with followed(ProgressBar("run", 10), settings(False, "wandb"), RUN, {"lr": 0.1}) as log:
        log(ROW)
    assert list((tmp_path / "live/runs/one/wandb").glob("offline-run-*/*.wandb"))
    assert [path.name for path in tmp_path.iterdir()] == ["live"]
