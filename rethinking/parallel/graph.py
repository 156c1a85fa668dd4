"""The pipeline as `dvc repro` plans it, asked of DVC itself: which stages, in which order, which are out of date.

DVC's command line gives one target's graph only (`dvc dag --dot`) and no order. So this uses the functions with which
`dvc repro` plans. The version of DVC is pinned, and tests compare both.
"""

import io
import logging
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage import PipelineStage

from rethinking.core.errors import DataError

# A killed process keeps its locks until the system's first process has noted its end, within a few seconds.
LOCK_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Stage:
    """A stage by the name that `dvc repro` takes, the stages it waits for, and the folder of its pipeline file.

    Another machine may run a `portable` stage: DVC's run cache carries its outputs, and those of all it needs.
    """

    name: str
    needs: tuple[str, ...]
    folder: Path
    portable: bool = False


def planned_stages(targets: Sequence[str]) -> list[Stage]:
    """The stages that `dvc repro TARGETS` would visit, in the order of the targets, each after those it needs.

    So what is named first starts first; `dvc repro` goes by its graph. Raises DataError, in DVC's words, where there is
    no such target or a pipeline file is wrong.
    """
    found: dict[str, Stage] = {}
    with dvc_errors_as_ours(), locked_repository() as repo:
        graph = get_active_graph(repo.index.graph)
        wanted = collect_stages(repo, targets)
        for stage in dict.fromkeys(each for target in wanted for each in plan_repro(graph, [target])):
            needs = tuple(need.addressing for need in graph.successors(stage))
            portable = _in_run_cache(stage) and all(found[need].portable for need in needs)
            found[stage.addressing] = Stage(stage.addressing, needs, Path(stage.relpath).parent, portable)
    return list(found.values())


def _in_run_cache(stage: PipelineStage) -> bool:
    """Whether DVC keeps the stage in its run cache: it has a command, dependencies, and no output that Git keeps."""
    if stage.frozen or stage.always_changed or not (stage.cmd and stage.deps and stage.outs):
        return False
    return all(dep.protocol == "local" for dep in stage.deps) and all(
        out.protocol == "local" and out.use_cache and out.is_in_repo and not out.persist for out in stage.outs
    )


def outputs_in_git() -> list[str]:
    """The outputs that Git keeps instead of DVC's cache, as paths from the root; they change as stages run."""
    with dvc_errors_as_ours(), locked_repository() as repo:
        return sorted(
            Path(out.fs_path).relative_to(repo.root_dir).as_posix()
            for stage in repo.index.stages
            for out in stage.outs
            if not out.use_cache and out.is_in_repo
        )


def outdated(names: Collection[str]) -> set[str]:
    """Which of these stages `dvc repro` would run or restore now.

    Raises DataError where another DVC process is at work on them.
    """
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    with dvc_errors_as_ours():
        while True:
            try:
                return _outdated(names)
            except LockError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)


def _outdated(names: Collection[str]) -> set[str]:
    # The index is read once. Collecting a target reads its pipeline file again: two seconds for the paper's.
    with locked_repository() as repo:
        return {stage.addressing for stage in repo.index.stages if stage.addressing in names and stage.changed()}


@contextmanager
def quiet_repository() -> Iterator[Repo]:
    """The repository, with DVC's messages and progress bars off: they would disturb the live view."""
    logger = logging.getLogger("dvc")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stderr(io.StringIO()), Repo(_wait_for_lock=True) as repo:
            yield repo
    finally:
        logger.setLevel(level)


@contextmanager
def locked_repository() -> Iterator[Repo]:
    """The repository, locked; waits for other DVC processes as `dvc --wait-for-lock` does."""
    with quiet_repository() as repo, lock_repo(repo):
        yield repo


@contextmanager
def dvc_errors_as_ours() -> Iterator[None]:
    """Raise DVC's errors as DataError."""
    try:
        yield
    except DvcException as error:
        raise DataError(str(error)) from None
