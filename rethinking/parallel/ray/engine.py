"""Run a schedule on a Ray cluster: the nodes compute, this machine collects the outputs and runs no training.

A node's outputs come back as a record (`records.py`). With it, `dvc repro --single-item` on this machine takes the
outputs and writes its lock, as a serial `dvc repro` would. Stages whose outputs Git keeps, and those that need them,
are not portable; they are cheap, and run here.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rethinking.core.config import Resources
from rethinking.core.cores import available_cores
from rethinking.core.errors import DataError
from rethinking.parallel.graph import outputs_in_git
from rethinking.parallel.local import ask_about_doubtful
from rethinking.parallel.machine import Machine, available_gpus, require_gpus
from rethinking.parallel.pool import Ended, Pool
from rethinking.parallel.ray.cluster import Cluster, Computed
from rethinking.parallel.ray.node import ONLY_RESTORE, tree_state
from rethinking.parallel.ray.records import Record, fetch, place, push, records, restorable
from rethinking.parallel.schedule import Schedule, State
from rethinking.parallel.view import View


def run(
    ray: Any, schedule: Schedule, jobs: int, resources: Mapping[str, Resources], view: View, stop: Callable[[], bool]
) -> dict[str, Ended]:
    """Run everything that can run, or until `stop()`, at most so many at once; return the stages that failed.

    After a stop the running commands get Ctrl-C; a stage that ends so is waiting again. Raises DataError where a node's
    clone differs from this one, and UsageError where a stage asks for more GPUs than any node has.
    """
    ignored = outputs_in_git()
    cluster = Cluster(ray, view, (*tree_state(ignored), ignored), node_environment())
    require_gpus(schedule.names(State.WAITING), resources, cluster.gpus(), "the largest node")
    cluster.check_nodes()
    here = Machine(available_cores(), available_cores(), available_gpus())
    return _Run(schedule, cluster, here, resources, view, jobs).follow(stop)


def node_environment() -> dict[str, str]:
    """The variables of all nodes: this machine's number of threads, if it is set, and that idle threads sleep."""
    threads = {name: os.environ[name] for name in ("OMP_NUM_THREADS",) if name in os.environ}
    return {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"), **threads}


class _Run:
    """One run of a schedule."""

    def __init__(
        self,
        schedule: Schedule,
        cluster: Cluster,
        machine: Machine,
        resources: Mapping[str, Resources],
        view: View,
        jobs: int,
    ):
        self.schedule, self.cluster, self.machine, self.view = schedule, cluster, machine, view
        self.resources, self.jobs = resources, jobs
        self.stages = {stage.name: stage for stage in schedule.stages}
        self.pool = Pool()
        self.on_remote: dict[str, Record] = {}  # finished stages whose files the remote has
        self.computed: dict[str, Ended] = {}  # stages that a node has run and this machine has not yet collected
        self.here: dict[str, dict[str, str]] = {}  # stages to start on this machine, with these variables
        self.asked: set[str] = set()  # stages of which it is known whether this machine can restore them
        self.failures: dict[str, Ended] = {}

    def follow(self, stop: Callable[[], bool]) -> dict[str, Ended]:
        """Start what can start until nothing is left, or until `stop()`; return the stages that failed."""
        said = False
        while True:
            if not stop():
                ask_about_doubtful(self.schedule, 1)
                self._choose()
                self._start()
            elif running := [*self.cluster.tasks, *self.pool.jobs]:
                if not said:
                    self.view.say(
                        f"stopping; {', '.join(running)} may save their state. Ctrl-C again ends them at once."
                    )
                    said = True
                self.cluster.interrupt()
                self.pool.interrupt()
            if not (self.cluster.tasks or self.pool.jobs):
                for name in self.schedule.names(State.RUNNING):  # computed, but not collected before the stop
                    self.schedule.set(name, State.WAITING)
                return self.failures
            for computed in self.cluster.wait(0.25):
                self._collect(computed, stop())
            for ended in self.pool.wait(0 if self.cluster.tasks else 0.25):
                self._finish(ended, stop())
            on_nodes = [task for task in self.cluster.tasks.values() if task.node]
            for task in on_nodes:
                self.schedule.set(task.name, State.RUNNING)
            self.view.draw([*on_nodes, *self.pool.jobs.values()])

    def _choose(self) -> None:
        """Choose where each ready stage runs: on a node, unless it can be restored here or is not portable."""
        ready = [name for name in self.schedule.ready() if name not in self.cluster.tasks and name not in self.here]
        if new := {name for name in ready if name not in self.asked and self.stages[name].portable}:
            self.asked |= new
            self.here.update(dict.fromkeys(restorable(new), ONLY_RESTORE))
        for name in ready:
            if not self.stages[name].portable:
                self.here[name] = {}
            elif name not in self.here and len(self.cluster.tasks) < self.jobs:
                try:
                    self.cluster.start(name, self._needs(name), self.resources[name])
                except DataError as error:
                    self._fail(Ended(name, State.FAILED, 0.0, [str(error)]))

    def _start(self) -> None:
        """Start the stages of this machine, as far as they fit."""
        for name, environment in list(self.here.items()):
            if self.machine.take(name, Resources() if environment else self.resources[name]):
                del self.here[name]
                self.pool.start(name, environment)
                self.schedule.set(name, State.RUNNING)
                if not environment:
                    self.view.started(name, "this machine")

    def _needs(self, name: str) -> dict[str, Record]:
        """The records of all stages above this one, in DVC's order, with their files on the remote."""
        above: set[str] = set()
        waiting = [name]
        while waiting:
            new = set(self.stages[waiting.pop()].needs) - above
            above |= new
            waiting += new
        if missing := above - self.on_remote.keys():
            found = records(missing)
            push(found.values())
            self.on_remote |= found
        return {stage.name: self.on_remote[stage.name] for stage in self.schedule.stages if stage.name in above}

    def _collect(self, computed: Computed, stopping: bool) -> None:
        """Fetch the outputs of a stage that ended on a node; DVC restores them as soon as there is a place here."""
        ended, record = computed.ended, computed.record
        if record is None:
            if stopping:
                self.schedule.set(ended.name, State.WAITING)
            else:
                self._fail(ended)
            return
        try:
            place([record])
            fetch([record])
        except (DataError, OSError) as error:
            self._fail(replace(ended, state=State.FAILED, lines=[str(error)]))
        else:
            self.on_remote[ended.name] = record
            self.computed[ended.name] = ended
            self.here[ended.name] = ONLY_RESTORE

    def _finish(self, ended: Ended, stopping: bool) -> None:
        """Note that a stage ended here, or that its outputs from a node were restored."""
        self.machine.release(ended.name)
        on_node = self.computed.pop(ended.name, None)
        if ended.state is State.FAILED and stopping:
            self.schedule.set(ended.name, State.WAITING)
        elif ended.state is State.FAILED and on_node:
            why = "a node ran it, but from other inputs than those here; nothing was run here"
            self._fail(replace(ended, lines=[*ended.lines, why]))
        elif ended.state is State.FAILED:
            self._fail(ended)
        else:
            state = on_node.state if on_node and on_node.state is State.DONE else ended.state
            self.schedule.set(ended.name, state)
            self.view.ended(replace(ended, state=state, seconds=ended.seconds + (on_node.seconds if on_node else 0)))

    def _fail(self, ended: Ended) -> None:
        self.schedule.set(ended.name, State.FAILED)
        self.failures[ended.name] = ended
        self.view.ended(ended)
