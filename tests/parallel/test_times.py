"""The runner notes how long stages took, and only of those that it ran."""

from stages.parallel import times
from stages.parallel.pool import Ended
from stages.parallel.schedule import State


def test_a_stage_that_was_stopped_takes_the_time_of_both_starts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert times.times() == {}
    for name, seconds, state in [
        ("fetch", 4.0, State.DONE),
        ("train", 20.0, State.WAITING),
        ("train", 30.0, State.DONE),
        ("plot", 1.0, State.FAILED),
        ("fetch", 0.5, State.RESTORED),
        ("fetch", 0.5, State.UNCHANGED),
    ]:
        times.note(Ended(name, state, seconds, []), state)
    assert times.times() == {"fetch": 4.0, "train": 50.0}
