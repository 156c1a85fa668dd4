"""What a stage gave on one machine, carried to another: its record in DVC's run cache, and its files by the DVC remote.

A record is a file of a few hundred bytes, named by the stage's command, dependencies and parameters; with it and the
files, `dvc repro` takes the outputs instead of computing them. `dvc push --run-cache` and `dvc repro --pull` carry
all records there are each time; this carries those of one stage, with the functions that DVC uses for all.
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
from rethinking.parallel.graph import in_a_sentence, locked_repository, quiet_repository


class Record(NamedTuple):
    """A finished stage in the run cache: the hash of what it was made from, the hash of the record, and its text."""

    key: str
    value: str
    text: str


def records(names: Collection[str]) -> dict[str, Record]:
    """The records of stages that are up to date here."""
    with in_a_sentence(), locked_repository() as repo:
        return {stage.addressing: _record(stage) for stage in _load(repo, names)}


def _record(stage: PipelineStage) -> Record:
    content = to_single_stage_lockfile(stage)
    # The second hash is taken first, as the first replaces the outputs by their names.
    value, text = _get_cache_hash(content), dumps_yaml(content)
    return Record(_get_stage_hash(stage), value, text)


def restorable(names: Collection[str]) -> set[str]:
    """Which of these stages, whose needs are met, DVC would restore from what is here instead of running them."""
    found = set()
    with in_a_sentence(), locked_repository() as repo:
        for stage in _load(repo, names):
            try:
                stage.save_deps()
                repo.stage_cache.restore(stage, dry=True)
            except RunCacheNotFoundError:
                continue
            found.add(stage.addressing)
    return found


def place(found: Iterable[Record]) -> None:
    """Put records into the run cache of this working copy, as the newest of their key, which is what DVC takes."""
    with in_a_sentence(), quiet_repository() as repo:
        for record in found:
            write_text(Path(repo.stage_cache._get_cache_path(record.key, record.value)), record.text)


def push(found: Collection[Record]) -> None:
    """Send the files that these placed records name to the remote; those that it has are left alone.

    Raises DataError where that fails.
    """
    with in_a_sentence(), quiet_repository() as repo:
        for files in _files(repo, found):
            if failed := repo.cloud.push(files).failed:
                raise DataError(f"{len(failed)} files could not be sent to the DVC remote; see `dvc push`")


def fetch(found: Collection[Record]) -> None:
    """Take the files that these placed records name from the remote into the cache, if they are not there.

    Raises DataError where the remote does not give them.
    """
    with in_a_sentence(), quiet_repository() as repo:
        for files in _files(repo, found):
            repo.cloud.pull(files)
            if missing := [file for file in files if not repo.cache.local.exists(file.value)]:
                raise DataError(f"{len(missing)} files could not be taken from the DVC remote; see `dvc fetch`")


def _files(repo: Repo, found: Collection[Record]) -> Iterable[set[HashInfo]]:
    """The hashes of all files that these records name."""
    return repo.stage_cache.get_used_objs([(record.key, record.value) for record in found]).values()


def _load(repo: Repo, names: Collection[str]) -> list[PipelineStage]:
    """These stages, each pipeline file read once; the whole project would be read by its index."""
    files = {name.rpartition(":")[0] or None for name in names}
    return [stage for file in files for stage in repo.stage.load_all(file) if stage.addressing in names]
