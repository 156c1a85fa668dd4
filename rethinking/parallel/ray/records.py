"""Carry a stage's outputs to another machine: its record in DVC's run cache, and its files on the DVC remote.

A record is a file of a few hundred bytes, named by the stage's command, dependencies and parameters. With it and the
files, `dvc repro` takes the outputs instead of computing them. `dvc push --run-cache` and `dvc repro --pull` carry all
records each time; this carries those of one stage, with the same functions of DVC.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from dvc.repo import Repo
from dvc.stage import PipelineStage
from dvc.stage.cache import RunCacheNotFoundError, _get_cache_hash, _get_stage_hash
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.utils.serialize import dumps_yaml
from dvc_data.hashfile.hash_info import HashInfo

from rethinking.core.errors import DataError
from rethinking.core.files import write_text
from rethinking.parallel.graph import dvc_errors_as_ours, locked_repository, quiet_repository


class Record(NamedTuple):
    """A finished stage in the run cache: the hash of what it was made from, the hash of the record, and its text."""

    key: str
    value: str
    text: str


def records(names: Collection[str]) -> dict[str, Record]:
    """The records of stages that are up to date here."""
    with dvc_errors_as_ours(), locked_repository() as repo:
        return {stage.addressing: _record(stage) for stage in _load(repo, names)}


def _record(stage: PipelineStage) -> Record:
    content = to_single_stage_lockfile(stage)
    # The hash of the record comes first, as _get_stage_hash replaces the outputs by their names.
    value, text = _get_cache_hash(content), dumps_yaml(content)
    return Record(_get_stage_hash(stage), value, text)


def restorable(names: Collection[str]) -> set[str]:
    """Which of these stages, whose needs are met, DVC would restore from its cache here instead of running them."""
    found = set()
    with dvc_errors_as_ours(), locked_repository() as repo:
        for stage in _load(repo, names):
            try:
                stage.save_deps()
                repo.stage_cache.restore(stage, dry=True)
            except RunCacheNotFoundError:
                continue
            found.add(stage.addressing)
    return found


def place(found: Iterable[Record]) -> None:
    """Put records into the run cache of this clone, as the newest of their key: DVC takes the newest."""
    with dvc_errors_as_ours(), quiet_repository() as repo:
        for record in found:
            write_text(Path(repo.stage_cache._get_cache_path(record.key, record.value)), record.text)


def push(found: Collection[Record]) -> None:
    """Send the files of these placed records that the remote lacks. Raises DataError where that fails."""
    with dvc_errors_as_ours(), quiet_repository() as repo:
        for files in _files(repo, found):
            if failed := repo.cloud.push(files).failed:
                raise DataError(f"{len(failed)} files could not be sent to the DVC remote; see `dvc push`")


def fetch(found: Collection[Record]) -> None:
    """Take files of these placed records that the cache lacks from the remote. Raises DataError where that fails."""
    with dvc_errors_as_ours(), quiet_repository() as repo:
        for files in _files(repo, found):
            repo.cloud.pull(files)
            if missing := [file for file in files if not repo.cache.local.exists(file.value)]:
                raise DataError(f"{len(missing)} files could not be taken from the DVC remote; see `dvc fetch`")


def _files(repo: Repo, found: Collection[Record]) -> Iterable[set[HashInfo]]:
    """The hashes of all files that these records name."""
    return repo.stage_cache.get_used_objs([(record.key, record.value) for record in found]).values()


def _load(repo: Repo, names: Collection[str]) -> list[PipelineStage]:
    """These stages, each pipeline file read once; the index would read all pipeline files."""
    files = {name.rpartition(":")[0] or None for name in names}
    return [stage for file in files for stage in repo.stage.load_all(file) if stage.addressing in names]
