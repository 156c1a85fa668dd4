"""What one machine of a Ray cluster does in its own clone: fetch what a stage needs, run it, send its outputs.

The stage runs as on a single machine (`pool.py`): it ends with its worker process, and continues from its checkpoint.
"""

import fcntl
import os
import subprocess
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from rethinking.core.errors import DataError
from rethinking.core.interrupts import StopFlag
from rethinking.parallel.graph import outdated
from rethinking.parallel.pool import Ended, Pool
from rethinking.parallel.ray.records import Record, fetch, place, push, records
from rethinking.parallel.schedule import State

# DVC runs commands by $SHELL: with this one it restores what its run cache holds, and fails where it would run one.
ONLY_RESTORE = {"SHELL": "false"}
SECONDS_BETWEEN_MESSAGES = 1.0


def compute(
    name: str, needs: Mapping[str, Sequence[str]], tree: tuple[str, str, Sequence[str]], environment: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    """Run a stage here; yield ("progress", text) while it runs, and at last ("ended", (state, last lines, record)).

    `needs` are the records of all stages above it, in DVC's order. `tree` is the driver's commit, the hash of its
    uncommitted changes and the ignored paths (see `tree_state`). The record of a failed stage is None. After SIGINT or
    SIGTERM the command may save its state.
    """
    _set_environment(environment)
    with StopFlag() as stop:
        try:
            if found := difference(*tree):
                raise DataError(found)
            yield from _prepare({need: Record(*record) for need, record in needs.items()}, stop)
            ended = yield from _run_and_report(name, {}, stop)
            record = None
            if ended.state is not State.FAILED:
                record = records([name])[name]
                push([record])
            yield "ended", (ended.state.value, ended.lines, record and tuple(record))
        except (DataError, OSError) as error:
            yield "ended", (State.FAILED.value, [str(error)], None)


def _set_environment(environment: Mapping[str, str]) -> None:
    """Take the driver's number of threads: Ray sets its own, and it changes the last bits of a training."""
    os.environ.pop("OMP_NUM_THREADS", None)
    os.environ.update(environment)


def _prepare(needs: Mapping[str, Record], stop: StopFlag) -> Iterator[tuple[str, Any]]:
    """Bring what the stage needs into this clone, without running anything. Raises DataError where that fails."""
    with _clone_lock():
        place(needs.values())
        fetch(needs.values())
        changed = outdated(needs)
        for need in needs:
            if need in changed:
                ended = yield from _run_and_report(need, ONLY_RESTORE, stop)
                if ended.state is State.FAILED:
                    raise DataError(f"{need} could not be restored: {' '.join(ended.lines)}")


@contextmanager
def _clone_lock() -> Iterator[None]:
    """One process at a time: DVC does not wait for outputs that another process is restoring."""
    os.makedirs(".dvc/tmp", exist_ok=True)
    with open(".dvc/tmp/ray.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run_and_report(name: str, environment: dict[str, str], stop: StopFlag) -> Generator[tuple[str, Any], None, Ended]:
    """Run a `dvc repro --single-item` to its end, yielding its progress; return how it ended."""
    pool = Pool()
    pool.start(name, environment)
    job, sent, sent_at = pool.jobs[name], "", 0.0
    while not (ended := pool.wait(0.1)):
        if stop():
            pool.interrupt()  # and yield no more: Ray ends a stopped task at its next message
        elif job.progress != sent and time.monotonic() - sent_at > SECONDS_BETWEEN_MESSAGES:
            sent, sent_at = job.progress, time.monotonic()
            yield "progress", sent
    return ended[0]


def difference(commit: str, changes: str, ignored: Iterable[str]) -> str:
    """How this clone's tracked files differ from the driver's, in words; empty where they do not."""
    try:
        found_commit, found_changes = tree_state(ignored)
    except DataError as error:
        return str(error)
    if found_commit != commit:
        remedy = f"run `git fetch` and `git checkout --force {commit[:10]}` there"
        return f"its clone is at commit {found_commit[:10]}, this one at {commit[:10]}; {remedy}"
    if found_changes != changes:
        return "its clone has other uncommitted changes than this one; compare `git diff` there and here"
    return ""


def tree_state(ignored: Iterable[str]) -> tuple[str, str]:
    """The commit of this clone and a hash of its uncommitted changes, without ignored paths and what DVC writes.

    Raises DataError where this is no Git repository.
    """
    written_by_dvc = [f":(exclude,glob)**/{name}" for name in ("dvc.lock", ".gitignore")]
    excluded = [*written_by_dvc, *(f":(exclude,literal){path}" for path in ignored)]
    commands = (
        ["git", "rev-parse", "HEAD"],
        ["git", "diff", "--binary", "--no-ext-diff", "HEAD", "--", ".", *excluded],
    )
    try:
        commit, changes = (subprocess.run(each, check=True, capture_output=True).stdout for each in commands)
    except (OSError, subprocess.CalledProcessError) as error:
        raise DataError(f"Git does not tell the state of {os.getcwd()}: {error}") from None
    return commit.decode().strip(), sha256(changes).hexdigest()
