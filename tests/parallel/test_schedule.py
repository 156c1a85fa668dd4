"""What may start when, on random graphs and random outcomes."""

import random
from pathlib import Path

import pytest

from rethinking.parallel.graph import Stage
from rethinking.parallel.schedule import FINISHED, Schedule, State


def stage(name, *needs):
    return Stage(name, needs, Path())


def diamond():
    return [stage("a"), stage("b", "a"), stage("c", "a"), stage("d", "b", "c")]


def test_nothing_runs_where_nothing_changed():
    schedule = Schedule(diamond(), set())
    assert schedule.ready() == []
    assert schedule.names(State.UNCHANGED) == ["a", "b", "c", "d"]


def test_a_stage_whose_need_ran_is_doubtful_until_it_is_confirmed():
    schedule = Schedule(diamond(), {"a"})
    assert schedule.ready() == ["a"]
    schedule.set("a", State.DONE)
    assert schedule.doubtful() == ["b", "c"]
    schedule.confirm(["b", "c"], {"c"})
    assert schedule.ready() == ["c"]
    assert schedule.doubtful() == []
    assert schedule.states["b"] is State.UNCHANGED


def test_a_need_that_turned_out_unchanged_casts_no_doubt():
    schedule = Schedule(diamond(), {"a"})
    schedule.set("a", State.UNCHANGED)
    assert schedule.names(State.UNCHANGED) == ["a", "b", "c", "d"]


def test_a_failure_leaves_out_what_needs_it_and_is_named():
    schedule = Schedule([*diamond(), stage("e", "d"), stage("other")], set("abcde") | {"other"})
    schedule.set("a", State.DONE)
    schedule.set("b", State.FAILED)
    assert schedule.names(State.LEFT_OUT) == ["d", "e"]
    assert schedule.ready() == ["c", "other"]
    assert schedule.blocker("e") == "b"


@pytest.mark.parametrize("seed", range(30))
def test_every_stage_ends_once_and_after_its_needs(seed):
    chance = random.Random(seed)
    names = [f"s{number}" for number in range(40)]
    stages = [
        stage(name, *chance.sample(names[:number], min(number, chance.randint(0, 3))))
        for number, name in enumerate(names)
    ]
    schedule = Schedule(stages, {name for name in names if chance.random() < 0.6})
    needs = {each.name: each.needs for each in stages}
    ended, running = [], []
    while schedule.ready() or running:
        doubtful = schedule.doubtful()
        schedule.confirm(doubtful, {name for name in doubtful if chance.random() < 0.5})
        for name in schedule.ready():
            if chance.random() < 0.5:
                assert all(schedule.states[need] in FINISHED for need in needs[name])
                schedule.set(name, State.RUNNING)
                running.append(name)
        if running:
            name = running.pop(chance.randrange(len(running)))
            schedule.set(name, chance.choice([State.DONE, State.DONE, State.UNCHANGED, State.RESTORED, State.FAILED]))
            ended.append(name)
    assert len(ended) == len(set(ended))
    assert schedule.names(State.WAITING, State.RUNNING) == []
    failed = set(schedule.names(State.FAILED))
    for name in schedule.names(State.LEFT_OUT):
        assert schedule.blocker(name) in failed
