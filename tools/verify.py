"""Read every byte of DVC's cache and of the stages' outputs, and delete what is damaged: `dvc repro` makes it anew.

DVC trusts its cache unread and takes a file of the same size and time for the same file, so that a byte that rots on
the disk is handed out again and again. Our stages refuse it; this is the remedy.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from dvc_data.hashfile.tree import Tree

from rethinking.core.arguments import path_parser
from rethinking.core.errors import DataError, run_stage
from rethinking.core.files import read_sealed
from rethinking.parallel.graph import dvc_errors_as_ours, locked_repository


def main() -> None:
    """Print what was damaged and is deleted, and how much was read."""
    path_parser(__doc__).parse_args()
    with dvc_errors_as_ours(), locked_repository() as repo:  # what DVC is just writing is no damage
        outputs = [Path(os.path.relpath(out.fs_path)) for stage in repo.index.stages if stage.cmd for out in stage.outs]
        verify(Path(repo.cache.local.path), [folder for folder in outputs if (folder / "meta.json").exists()])


def verify(cache: Path, folders: Sequence[Path]) -> None:
    """Read every file of DVC's cache and these sealed outputs of stages; delete what is damaged."""
    objects = [path for path in sorted(cache.glob("??/*")) if path.is_file() and path.suffix != ".tmp"]
    damaged = [path for path in objects if not is_whole(path)]
    damaged += [path for list_of_files in damaged if (path := adopted(cache, list_of_files)) in objects]
    damaged = list(dict.fromkeys(damaged))
    for path in damaged:
        path.unlink()
    for folder in folders:
        try:
            read_sealed(folder)
        except DataError:
            damaged.append(folder)
            shutil.rmtree(folder)
    for path in damaged:
        print(f"damaged, deleted: {path}")
    print(f"{len(objects)} files of the cache and {len(folders)} folders read, {len(damaged)} damaged")


def is_whole(path: Path) -> bool:
    """Whether a file of the cache has the bytes that its name, the MD5 of its content, says."""
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return found == path.parent.name + path.name.removesuffix(".dir")


def adopted(cache: Path, damaged: Path) -> Path | None:
    """Where DVC keeps a damaged list of a folder's files once it has checked it out and taken it for a new result."""
    if damaged.suffix != ".dir":
        return None
    try:
        tree = Tree.from_list(json.loads(damaged.read_bytes()))
        tree.digest()
    except (ValueError, TypeError, KeyError, AttributeError):  # no list that DVC could have checked out
        return None
    name = tree.hash_info.value
    return cache / name[:2] / name[2:]


if __name__ == "__main__":
    run_stage(main)
