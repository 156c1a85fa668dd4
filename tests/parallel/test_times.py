"""The runner notes how long stages took, and only of those that it ran."""

from rethinking.parallel import times
from rethinking.parallel.pool import Ended
from rethinking.parallel.schedule import State


def test_a_stage_that_was_stopped_takes_the_time_of_both_starts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert times.times() == []
    for name, seconds, state in [
        ("fetch", 4.0, State.DONE),
        ("train", 20.0, State.WAITING),
        ("train", 30.0, State.DONE),
        ("plot", 1.0, State.FAILED),
        ("plot", 2.0, State.DONE),
        ("train", 7.0, State.WAITING),
        ("fetch", 0.5, State.RESTORED),
        ("fetch", 0.5, State.UNCHANGED),
    ]:
        times.note(Ended(name, state, seconds, []), state)
    with open(times.times_file(), "a", encoding="utf-8") as file:
        file.write('{"stage": "killed while wri')
    found = {time["stage"]: (time["seconds"], time["threads"]) for time in times.times()}
    assert found == {"fetch": (4.0, 3), "plot": (3.0, 3), "train": (50.0, 3)}
