"""A schedule run on this machine: start what is ready and fits, follow it, keep going past failures."""

import os
from collections.abc import Callable, Mapping

from rethinking.core.errors import DataError
from rethinking.parallel.graph import outdated
from rethinking.parallel.machine import Machine, Share
from rethinking.parallel.pool import Ended, Pool
from rethinking.parallel.schedule import Schedule, State
from rethinking.parallel.view import View

# Asking DVC costs about as much as starting it for one stage, so two doubtful stages are left to their own `dvc repro`.
WORTH_ASKING = 3


def run(
    schedule: Schedule, machine: Machine, shares: Mapping[str, Share], view: View, stop: Callable[[], bool]
) -> dict[str, Ended]:
    """Run everything that can run, or until `stop()`; return the stages that failed.

    After a stop the running commands get Ctrl-C; a stage that ends so is waiting again.
    """
    pool = Pool()
    failures: dict[str, Ended] = {}
    said = False
    while True:
        if not stop():
            settle_doubts(schedule, WORTH_ASKING)
            _start(schedule, machine, shares, view, pool)
        elif pool.jobs:
            if not said:
                view.say(f"stopping; {', '.join(pool.jobs)} may save their state. Ctrl-C again ends them at once.")
                said = True
            pool.interrupt()
        if not pool.jobs:
            return failures
        for ended in pool.wait(0.25):
            machine.release(ended.name)
            interrupted = ended.state is State.FAILED and stop()
            schedule.set(ended.name, State.WAITING if interrupted else ended.state)
            if ended.state is State.FAILED and not interrupted:
                failures[ended.name] = ended
            view.ended(ended)
        view.draw(pool.jobs.values())


def settle_doubts(schedule: Schedule, enough: int) -> None:
    """Ask DVC about so many doubtful stages or more; those that are up to date may make others doubtful."""
    while len(doubtful := schedule.doubtful()) >= enough:
        try:
            changed = outdated(doubtful)
        except DataError:  # no reason to end what runs; each stage's own `dvc repro` will say what is wrong
            changed = set(doubtful)
        schedule.confirm(doubtful, changed)


def _start(schedule: Schedule, machine: Machine, shares: Mapping[str, Share], view: View, pool: Pool) -> None:
    """Start every ready stage for which there is a place."""
    for name in schedule.ready():
        if machine.take(name, shares[name]):
            pool.start(name, environment(machine, name))
            schedule.set(name, State.RUNNING)
            gpu = machine.gpu(name)
            view.started(name, gpu and f"GPU {gpu}")


def environment(machine: Machine, name: str) -> dict[str, str]:
    """What a stage's command is told: its GPU, and to let idle threads sleep instead of spin.

    The number of threads is left alone, as it changes the last bits of a training; sleeping threads change none. Side
    by side, spinning ones take the cores from each other.
    """
    found = {} if machine.jobs == 1 else {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}
    gpu = machine.gpu(name)
    return found if gpu is None else {**found, "CUDA_VISIBLE_DEVICES": gpu}
