"""No more stages at once than fit, each on the GPU with the most room, or on as many as it asks for."""

import random
from collections import Counter

import pytest

from rethinking.core.config import Resources
from rethinking.core.errors import UsageError
from rethinking.parallel.machine import Machine, available_gpus, require_gpus


def test_stages_go_to_the_gpus_in_turn_and_each_gpu_is_given_back():
    machine = Machine(jobs=4, cores=4, gpus=["0", "1"])
    assert all(machine.take(name, Resources()) for name in "abcd")
    assert [machine.visible_gpus(name) for name in "abcd"] == ["0", "1", "0", "1"]
    assert not machine.take("e", Resources())
    machine.release("b")
    assert machine.take("e", Resources())
    assert machine.visible_gpus("e") == "1"


@pytest.mark.parametrize(
    ("visible", "found"), [("", []), ("-1", []), (" 2, GPU-1f ", ["2", "GPU-1f"]), ("3,-1,5", ["3"])]
)
def test_the_gpus_are_those_that_cuda_would_take(monkeypatch, visible, found):
    """It takes none from the first negative number on."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert available_gpus() == found


def test_the_only_gpu_needs_no_choice():
    machine = Machine(jobs=2, cores=4, gpus=["0"])
    assert machine.take("a", Resources(gpu=0.5))
    assert machine.visible_gpus("a") is None


def test_whole_gpus_are_free_ones_and_no_share_of_them_is_left():
    machine = Machine(jobs=9, cores=9, gpus=["3", "5", "7", "9"])
    assert machine.take("share", Resources(gpu=0.25))
    assert not machine.take("all", Resources(gpus=4))
    assert machine.take("two", Resources(gpus=2))
    assert (machine.visible_gpus("share"), machine.visible_gpus("two")) == ("3", "5,7")
    assert not machine.take("two more", Resources(gpus=2))
    assert machine.take("one", Resources(gpus=1))
    assert machine.visible_gpus("one") == "9"
    assert machine.take("another share", Resources(gpu=0.75))
    assert machine.visible_gpus("another share") == "3"
    assert not machine.take("no room", Resources(gpu=0.1))
    assert machine.take("nothing", Resources())  # of what asks for nothing any number fits
    for name in ("share", "another share", "two", "one"):
        machine.release(name)
    assert machine.take("all", Resources(gpus=4))
    assert machine.visible_gpus("all") == "3,5,7,9"


def test_without_a_gpu_whole_ones_are_not_asked_for():
    machine = Machine(jobs=2, cores=2, gpus=[])
    stages = {"a": Resources(gpus=8), "b": Resources(gpus=1)}
    require_gpus(stages, stages, 0, "this machine")
    assert all(machine.take(*stage) for stage in stages.items())
    assert machine.visible_gpus("a") is None


def test_more_gpus_than_there_are_is_one_sentence():
    stages = {"small": Resources(gpus=2), "train@a": Resources(gpus=8), "cores": Resources(cores=4)}
    require_gpus(["small", "cores"], stages, 2, "this machine")
    with pytest.raises(UsageError) as failure:
        require_gpus(stages, stages, 2, "this machine")
    assert str(failure.value) == "resources: found gpus: 8 for train@a, but this machine has 2; set at most 2"


def test_ten_tenths_of_a_gpu_fit_and_no_more():
    machine = Machine(jobs=20, cores=4, gpus=["0"])
    assert [machine.take(str(number), Resources(gpu=0.1)) for number in range(11)] == [True] * 10 + [False]


def test_a_stage_larger_than_the_machine_runs_alone():
    machine = Machine(jobs=4, cores=2, gpus=[])
    assert machine.take("large", Resources(cores=8))
    assert not machine.take("small", Resources(cores=1))
    machine.release("large")
    assert machine.take("small", Resources(cores=1))
    assert not machine.take("large", Resources(cores=8))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_and_goes_nothing_is_taken_twice(seed):
    chance = random.Random(seed)
    machine = Machine(jobs=chance.randint(1, 8), cores=chance.randint(1, 8), gpus=list("012")[: chance.randint(0, 3)])
    running = {}
    for number in range(200):
        if running and chance.random() < 0.4:
            name = chance.choice(sorted(running))
            machine.release(name)
            del running[name]
        gpus = chance.choice([0, 0, 0, 1, 2])
        share = Resources(
            cores=chance.randint(0, 3), gpu=0.0 if gpus else chance.choice([0.0, 0.25, 0.5, 1.0]), gpus=gpus
        )
        name = str(number)
        if machine.take(name, share):
            running[name] = share
        memory = Counter()
        for each, taken in running.items():
            for gpu in machine.taken[each][1]:
                memory[gpu] += 1 if taken.gpus else taken.gpu
            assert len(machine.taken[each][1]) == min(taken.gpus or 1, len(machine.gpus))
        assert len(running) <= machine.jobs
        assert sum(min(each.cores, machine.cores) for each in running.values()) <= machine.cores
        assert all(share <= 1 for share in memory.values())
