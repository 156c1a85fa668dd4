"""What several machines have measured as one folder of metrics, for claims, figures and report of it all.

`python -m stages.combine reference/one/cifar10 reference/other/cifar10 --out both` writes both/metrics, whole or
not at all. The runs of a grid are those of all folders; of a run that stands in two, and of a result of the theory, the
later folder's counts.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.errors import DataError, UsageError, run_stage
from stages.files import new_folder, read_csv, read_json, write_csv, write_json
from stages.paper.figures import GRIDS
from stages.paper.style import by_run
from stages.summary import merge, runs_of

TABLES = ("curves", "steps")


def main() -> None:
    """Write the folder and say how many runs each grid has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="working copies or references, each with its metrics/")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    for folder in arguments.folders:
        if not (folder / "metrics").is_dir():
            raise UsageError(f"{folder}: no folder of metrics in it; expected a reference or a working copy")
    metrics = [folder / "metrics" for folder in arguments.folders]
    with new_folder(arguments.out / "metrics") as out:
        counts = {grid: combine_grid([folder / grid for folder in metrics], out / grid) for grid in GRIDS}
        for folder in metrics:
            for theory in sorted((folder / "theory").glob("*/summary.json")):
                shutil.copytree(theory.parent, out / "theory" / theory.parent.name, dirs_exist_ok=True)
        write_json(out / "parameters.json", _merged([folder / "parameters.json" for folder in metrics]))
    print(f"{arguments.out}/metrics: {', '.join(f'{count} runs of {grid}' for grid, count in counts.items())}")


def combine_grid(folders: Sequence[Path], out: Path) -> int:
    """Write summary, audits, curves and steps of a grid from all folders that have it; return the number of runs."""
    summary: dict[str, Any] = {}
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in TABLES}
    for folder in folders:
        if (folder / "summary.json").exists():
            merge(summary, read_json(folder / "summary.json"))
            for name in TABLES:
                rows[name] |= by_run(read_csv(folder / f"{name}.csv"))
    write_json(out / "summary.json", summary)
    write_json(out / "audits.json", _merged([folder / "audits.json" for folder in folders]))
    for name in TABLES:
        write_csv(out / f"{name}.csv", [row for run in rows[name].values() for row in run])
    return len(list(runs_of(summary)))


def _merged(files: Sequence[Path]) -> dict[str, Any]:
    """The mappings of all files that are there, a later one's value where a key stands in two."""
    merged: dict[str, Any] = {}
    for file in files:
        try:
            merged |= read_json(file) if file.exists() else {}
        except (TypeError, ValueError) as error:
            raise DataError(f"{file} holds no mapping ({error})") from None
    return merged


if __name__ == "__main__":
    run_stage(main)
