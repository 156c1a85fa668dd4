"""What the runner shows of a stage's progress."""

import io

import pytest
from tqdm import tqdm

from rethinking.parallel.graph import Stage
from rethinking.parallel.pool import Ended
from rethinking.parallel.schedule import Schedule, State
from rethinking.parallel.view import View, duration, readable
from rethinking.training.live import ProgressBar


def test_the_training_bar_is_shown_as_share_time_left_epoch_and_loss(capsys):
    bar = ProgressBar("runs/demo/alexnet-none", 200)
    bar.log({"epoch": 3, "step": 90, "train_loss": 0.25, "train_accuracy": 0.5, "test_accuracy": 0.125})
    bar.bar.refresh()
    bar.close()
    shown = readable(capsys.readouterr().err.split("\r")[-1].strip())
    assert shown.startswith("45%, ")
    assert shown.endswith("left, epoch 3 loss 0.250 train 50.00% test 12.50%")


def test_a_bar_without_words_and_a_line_that_is_no_bar():
    text = io.StringIO()
    with tqdm(total=4, file=text) as bar:
        bar.update(1)
        bar.refresh()
        shown = readable(text.getvalue().split("\r")[-1].strip())
    assert shown.startswith("25%, ")
    assert shown.endswith(" left")
    assert readable("Updating lock file 'dvc.lock'") == "Updating lock file 'dvc.lock'"
    assert readable("loss [0.5, 0.4] at 10% of the data") == "loss [0.5, 0.4] at 10% of the data"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_times_that_cannot_be_written_end_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "live").touch()  # where a folder should be
    schedule = Schedule([Stage("fetch", (), tmp_path)], {"fetch"})
    schedule.set("fetch", State.DONE)
    View(schedule, 1).ended(Ended("fetch", State.DONE, 4.0, []))
    said = capsys.readouterr().err
    assert "live/times.jsonl cannot be written" in said
    assert "done fetch in 4 s (1 of 1)" in said
