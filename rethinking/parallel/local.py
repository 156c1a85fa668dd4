"""Run a schedule on this machine: start what is ready and fits, follow it, go on after failures."""

import os
from collections.abc import Callable, Mapping

from rethinking.core.config import Resources
from rethinking.core.errors import DataError
from rethinking.parallel.graph import outdated
from rethinking.parallel.machine import Machine, require_gpus
from rethinking.parallel.pool import Ended, Pool
from rethinking.parallel.schedule import Schedule, State
from rethinking.parallel.view import View

# To ask DVC costs about as much as to start it for one stage. So up to two doubtful stages are simply started.
WORTH_ASKING = 3


def run(
    schedule: Schedule, machine: Machine, resources: Mapping[str, Resources], view: View, stop: Callable[[], bool]
) -> dict[str, Ended]:
    """Run everything that can run, or until `stop()`; return the stages that failed.

    After a stop the running commands get Ctrl-C; a stage that ends so is waiting again. Raises UsageError, before
    anything runs, where a stage asks for more GPUs than there are.
    """
    require_gpus(schedule.names(State.WAITING), resources, len(machine.gpus), "this machine")
    pool = Pool()
    failures: dict[str, Ended] = {}
    said = False
    while True:
        if not stop():
            ask_about_doubtful(schedule, WORTH_ASKING)
            _start(schedule, machine, resources, view, pool)
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


def ask_about_doubtful(schedule: Schedule, at_least: int) -> None:
    """Ask DVC which doubtful stages are out of date while there are so many; an answer may make others doubtful."""
    while len(doubtful := schedule.doubtful()) >= at_least:
        try:
            changed = outdated(doubtful)
        except DataError:  # each stage's own `dvc repro` will say what is wrong
            changed = set(doubtful)
        schedule.confirm(doubtful, changed)


def _start(schedule: Schedule, machine: Machine, resources: Mapping[str, Resources], view: View, pool: Pool) -> None:
    """Start every ready stage for which there is a place."""
    for name in schedule.ready():
        if machine.take(name, resources[name]):
            pool.start(name, stage_environment(machine, name))
            schedule.set(name, State.RUNNING)
            gpus = machine.visible_gpus(name)
            view.started(name, gpus and f"GPU {gpus}")


def stage_environment(machine: Machine, name: str) -> dict[str, str]:
    """The variables of a stage's command: its GPUs, and that idle threads sleep instead of spin.

    Spinning threads of stages that run side by side take the cores from each other; sleeping ones change no result. The
    number of threads is not set, as it changes the last bits of a training.
    """
    found = {} if machine.jobs == 1 else {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}
    gpus = machine.visible_gpus(name)
    return found if gpus is None else {**found, "CUDA_VISIBLE_DEVICES": gpus}
