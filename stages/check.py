"""Check a fresh result against a reference: data to the byte, trained metrics within the spread over seeds.

`--record` writes the reference instead, from the same files and further summaries of other seeds.
"""

import argparse
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stages.comparison import data_differences, differences
from stages.data.arrays import array_hashes
from stages.errors import DataError, UsageError, run_stage
from stages.files import read_json, read_sealed, write_json

PACKAGES = ("torch", "torchvision", "timm", "numpy", "scipy", "dvc", "safetensors")


def main() -> None:
    """Print what differs and exit with 1, or say that nothing does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--summary", type=Path, nargs="+", required=True, help="summary.json; several with --record")
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="folders of data sets, searched for meta.json"
    )
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--record", action="store_true", help="write the reference from what lies here")
    arguments = parser.parse_args()
    summaries = [_read(path) for path in arguments.summary]
    data = hashes(arguments.data)
    if arguments.record:
        record(summaries, data, arguments.reference)
        return
    if len(summaries) > 1:
        raise UsageError(f"--summary: found {len(summaries)} files; a check takes one, --record several")
    reference = _read(arguments.reference / "summary.json")
    try:
        found = data_differences(data, _read(arguments.reference / "data.json")) + differences(summaries[0], reference)
    except ValueError as error:
        raise DataError(
            f"{arguments.reference}/summary.json: {error}, so nothing says how far two may differ"
        ) from None
    for sentence in found:
        print(f"differs: {sentence}")
    if found:
        raise DataError(f"{len(found)} differences from {arguments.reference}")
    print(f"agrees with {arguments.reference}: {len(data)} data sets to the byte, metrics within the spread over seeds")


def record(summaries: list[Any], data: dict[str, Any], out: Path) -> None:
    """Write summary.json with all seeds, data.json, and environment.json: on what it was measured."""
    merged: dict[str, Any] = {}
    for summary in summaries:
        _merge(merged, summary)
    environment = {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }
    write_json(out / "summary.json", merged)
    write_json(out / "data.json", data)
    write_json(out / "environment.json", environment)


def _merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if key in into and "arch" not in value:
            _merge(into[key], value)
        else:
            into[key] = value


def hashes(folders: list[Path]) -> dict[str, dict[str, str]]:
    """The SHA-256 of every array below the folders, by data set and file, checked against its bytes.

    Raises DataError where a file is damaged or there is none.
    """
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("meta.json")):
            found[path.parent.as_posix()] = array_hashes(read_sealed(path.parent))
    if not found:
        raise DataError(f"no data set below {', '.join(map(str, folders))}; run `dvc repro` or `dvc checkout` first")
    return found


def _read(path: Path) -> Any:
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); run the pipeline that writes it first") from None


if __name__ == "__main__":
    run_stage(main)
