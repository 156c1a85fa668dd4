"""Stages on a Ray cluster: Ray finds a node with room for each, and another one when that node is lost."""

import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rethinking.core.config import Resources
from rethinking.core.errors import DataError, UsageError
from rethinking.parallel.pool import Ended
from rethinking.parallel.ray.records import Record
from rethinking.parallel.schedule import State
from rethinking.parallel.view import View

Tree = tuple[str, str, list[str]]  # commit, hash of uncommitted changes, paths that do not count
ATTEMPTS = 4
# Ray hides all GPUs from a task that asks for none; so much of one is always free.
SMALLEST_GPU_SHARE = 0.01


@dataclass
class Task:
    """A stage that was given to Ray, its state, and what it takes to start it again."""

    name: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    messages: Any = None  # a generator of Ray
    attempt: int = 0
    started: float = field(default_factory=time.monotonic)
    progress: str = "waiting for a node"
    node: str = ""


@dataclass(frozen=True)
class Computed:
    """A stage that has ended on a node; a failed one has no record."""

    ended: Ended
    record: Record | None


def connect() -> Any:
    """Connect to the running cluster; return the module `ray`. Raises UsageError where either is missing."""
    try:
        import ray
    except ImportError:
        raise UsageError("--engine ray: Ray is not installed; run `pip install -r requirements-ray.txt`") from None
    try:
        ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError) as error:
        raise UsageError(
            f"--engine ray: no cluster was found ({error}); run `ray start --head` in this folder, or set RAY_ADDRESS"
        ) from None
    return ray


def cores(ray: Any) -> int:
    """The cores of the whole cluster, at least one."""
    return max(1, int(ray.cluster_resources().get("CPU", 0)))


class Cluster:
    """The stages that run now on all nodes, as `Pool` has those of one machine."""

    def __init__(self, ray: Any, view: View, tree: Tree, environment: Mapping[str, str]):
        self.tasks: dict[str, Task] = {}
        self._ray, self._view, self._tree, self._environment = ray, view, tree, dict(environment)
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        self._compute = ray.remote(max_retries=0, scheduling_strategy="SPREAD")(_on_node)
        self._interrupted: set[str] = set()

    def check_nodes(self) -> None:
        """Raise DataError naming the nodes whose clone differs from this one, or where there is no node for work."""
        affinity = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        check = self._ray.remote(num_cpus=0)(_difference_on_node)
        answers = [
            (
                node["NodeName"],
                check.options(scheduling_strategy=affinity(node["NodeID"], soft=False)).remote(self._tree),
            )
            for node in self._nodes()
        ]
        if not answers:
            raise DataError("no node of the cluster has a core for work; add one by `ray start --address=...`")
        differences = []
        for name, answer in answers:
            try:
                differences += [f"node {name}: {words}" for words in [self._ray.get(answer)] if words]
            except self._ray.exceptions.RayError as error:
                differences.append(f"node {name}: {_last_line(error)}")
        if differences:
            raise DataError("; ".join(differences))

    def _nodes(self) -> list[dict[str, Any]]:
        return [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]

    def gpus(self) -> int:
        """The GPUs of the node that has most of them."""
        return max((int(node["Resources"].get("GPU", 0)) for node in self._nodes()), default=0)

    def start(self, name: str, needs: Mapping[str, Record], resources: Resources) -> None:
        nodes = self._nodes()
        most = max((node["Resources"]["CPU"] for node in nodes), default=resources.cores)
        options = {
            "num_cpus": max(1, min(resources.cores, most)),
            "num_gpus": (resources.gpus or resources.gpu or SMALLEST_GPU_SHARE) if self.gpus() else 0,
        }
        # Plain values: the node takes the project's classes from its own clone.
        plain = {need: tuple(record) for need, record in needs.items()}
        task = Task(name, (name, plain, self._tree, self._environment), options)
        self.tasks[name] = task
        self._submit(task)

    def _submit(self, task: Task) -> None:
        task.attempt += 1
        task.progress, task.node = "waiting for a node", ""
        task.messages = self._compute.options(name=task.name, **task.options).remote(*task.arguments)

    def wait(self, seconds: float) -> list[Computed]:
        """Follow the stages for at most so long; return those that have ended.

        A stage that was interrupted ends as failed, without a record.
        """
        if not self.tasks:
            return []
        by_messages = {task.messages: task for task in self.tasks.values()}
        ready, _ = self._ray.wait(list(by_messages), num_returns=len(by_messages), timeout=seconds)
        found = [self._read(by_messages[messages]) for messages in ready]
        return [each for each in found if each]

    def _read(self, task: Task) -> Computed | None:
        """Read a message of a stage; return how the stage ended, if it did."""
        try:
            kind, content = self._ray.get(next(task.messages))
        except (StopIteration, self._ray.exceptions.TaskCancelledError):  # a cancelled task has no last word
            return self._end(task, State.FAILED, [f"stopped on {task.node or 'no node yet'}"], None)
        except self._ray.exceptions.RayTaskError as error:
            return self._end(task, State.FAILED, [f"node {task.node or '?'}: {_last_line(error)}"], None)
        except self._ray.exceptions.RayError as error:
            return self._lost(task, error)
        if kind == "ended":
            state, lines, record = content
            return self._end(task, State(state), lines, record and Record(*record))
        if kind == "node":
            task.node = next(node["NodeName"] for node in self._ray.nodes() if node["NodeID"] == content)
            task.started = time.monotonic()  # the wait for a place is not the stage's time
            self._view.started(task.name, f"node {task.node}")
        else:
            task.progress = f"{task.node}: {content}"
        return None

    def _lost(self, task: Task, error: Exception) -> Computed | None:
        """The node or the worker died: start the stage again."""
        where = f"node {task.node or '?'}"
        if task.name in self._interrupted or task.attempt == ATTEMPTS:
            return self._end(
                task, State.FAILED, [f"{where} was lost {task.attempt} times: {type(error).__name__}"], None
            )
        self._view.say(f"lost {where} ({type(error).__name__}); {task.name} starts again")
        self._submit(task)
        return None

    def _end(self, task: Task, state: State, lines: list[str], record: Record | None) -> Computed:
        del self.tasks[task.name]
        return Computed(Ended(task.name, state, time.monotonic() - task.started, lines), record)

    def interrupt(self) -> None:
        """Send Ctrl-C once to every stage; those that have not started never start."""
        for task in self.tasks.values():
            if task.name not in self._interrupted:
                self._interrupted.add(task.name)
                self._ray.cancel(task.messages)


def _last_line(error: Exception) -> str:
    """The error's message without its traceback."""
    return str(error).strip().splitlines()[-1]


# What follows runs on the nodes, where a worker starts in the folder of `ray start` but does not import from it.


def _on_node(*arguments: Any) -> Any:
    import ray

    sys.path.insert(0, os.getcwd())
    yield "node", ray.get_runtime_context().get_node_id()
    from rethinking.parallel.ray import node as ray_node

    yield from ray_node.compute(*arguments)


def _difference_on_node(tree: Tree) -> str:
    sys.path.insert(0, os.getcwd())
    from rethinking.parallel.ray import node as ray_node

    return ray_node.difference(*tree)
