"""What several machines have measured as one folder of metrics, for claims, figures and report of it all.

`python -m tools.combine reference/one/cifar10 reference/other/cifar10 --out both` writes both/metrics, whole or not at
all. The runs of a grid are those of all folders; a run that stands in two, and the theory on a data set that does, are
the later folder's.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rethinking.core.errors import DataError, UsageError, run_stage
from rethinking.core.files import new_folder, read_csv, read_mapping, write_csv, write_json
from rethinking.paper.names import GRIDS
from rethinking.results.summary import merge, read_summary, runs_of

TABLES = ("curves", "steps")
# Stands in what this stage writes, so that it replaces nothing else.
MARK = "combined.json"


def main() -> None:
    """Write the folder and say how many runs each grid has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="working copies or references, each with its metrics/")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    metrics, out = [folder / "metrics" for folder in arguments.folders], arguments.out / "metrics"
    for folder in metrics:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; expected references or working copies, with metrics in them")
    if out.resolve() in [folder.resolve() for folder in metrics] or out.exists() and not (out / MARK).exists():
        raise UsageError(f"--out: {out} holds something else than a combination; give another folder")
    with new_folder(out) as partial:
        counts = {grid: combine_grid([folder / grid for folder in metrics], partial / grid) for grid in GRIDS}
        for folder in metrics:
            for theory in (path.parent for path in sorted((folder / "theory").glob("*/summary.json"))):
                shutil.rmtree(partial / "theory" / theory.name, ignore_errors=True)
                shutil.copytree(theory, partial / "theory" / theory.name)
        write_json(partial / "parameters.json", _united([folder / "parameters.json" for folder in metrics]))
        write_json(partial / MARK, counts)
    print(f"{out}: {', '.join(f'{count} runs of {grid}' for grid, count in counts.items())}")


def combine_grid(folders: Sequence[Path], out: Path) -> int:
    """Write summary, audits, curves and steps of a grid from all folders that have it; return the number of runs.

    Raises DataError, naming the file, where one is not what the collectors write.
    """
    summary: dict[str, Any] = {}
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in TABLES}
    for folder in folders:
        if (folder / "summary.json").exists():
            merge(summary, read_summary(folder / "summary.json"))
            for name in TABLES:
                rows[name] |= _rows_by_run(folder / f"{name}.csv")
    write_json(out / "summary.json", summary)
    write_json(out / "audits.json", _united([folder / "audits.json" for folder in folders]))
    for name in TABLES:
        write_csv(out / f"{name}.csv", [row for run in rows[name].values() for row in run])
    return len(list(runs_of(summary)))


def _rows_by_run(path: Path) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in read_csv(path):
        if "run" not in row:
            raise DataError(f"{path} has no column 'run'; make it again with `make report`")
        groups.setdefault(row["run"], []).append(row)
    return groups


def _united(files: Sequence[Path]) -> dict[str, Any]:
    """The mappings of all files that are there, a later one's value where a key stands in two."""
    return {key: value for file in files if file.exists() for key, value in read_mapping(file).items()}


if __name__ == "__main__":
    run_stage(main)
