"""No more stages at once than fit, each on the GPU with the most room."""

import random
from collections import Counter

import pytest

from rethinking.core.config import Resources
from rethinking.parallel.machine import Machine


def test_stages_go_to_the_gpus_in_turn_and_each_gpu_is_given_back():
    machine = Machine(jobs=4, cores=4, gpus=["0", "1"])
    assert all(machine.take(name, Resources()) for name in "abcd")
    assert [machine.gpu(name) for name in "abcd"] == ["0", "1", "0", "1"]
    assert not machine.take("e", Resources())
    machine.release("b")
    assert machine.take("e", Resources())
    assert machine.gpu("e") == "1"


def test_the_only_gpu_needs_no_choice():
    machine = Machine(jobs=2, cores=4, gpus=["0"])
    assert machine.take("a", Resources(gpu=0.5))
    assert machine.gpu("a") is None


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
        share = Resources(cores=chance.randint(0, 3), gpu=chance.choice([0, 0.25, 0.5, 1]))
        name = str(number)
        if machine.take(name, share):
            running[name] = share
        memory = Counter()
        for each, taken in running.items():
            memory[machine.taken[each][1]] += taken.gpu
        assert len(running) <= machine.jobs
        assert sum(min(each.cores, machine.cores) for each in running.values()) <= machine.cores
        assert all(share <= 1 for gpu, share in memory.items() if gpu is not None)
