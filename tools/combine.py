"""What several machines have measured as one folder of metrics, for claims, figures and report of it all.

`python -m tools.combine reference/one/cifar10 reference/other/cifar10 --out both` writes both/metrics, whole or not at
all. The runs of a grid are those of all folders, with the folder of each as `origin`; a run that stands in two, and the
theory on a data set that does, are the later folder's.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rethinking.core.arguments import path_parser
from rethinking.core.errors import DataError, UsageError, run_stage
from rethinking.core.files import new_folder, read_mapping, write_json
from rethinking.core.tables import write_table
from rethinking.paper.names import GRIDS, SMALL_GRID
from rethinking.results.runs import by_run

# Stands in what this tool writes, so that it replaces nothing else.
MARK = "combined.json"


def main() -> None:
    """Write the folder and say how many runs each grid has."""
    parser = path_parser(__doc__, "out")
    parser.add_argument("folders", type=Path, nargs="+", help="working copies or references, each with its metrics/")
    arguments = parser.parse_args()
    sources, out = [folder / "metrics" for folder in arguments.folders], arguments.out / "metrics"
    for folder in sources:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; expected references or working copies, with metrics in them")
    if out.resolve() in [folder.resolve() for folder in sources] or out.exists() and not (out / MARK).exists():
        raise UsageError(f"--out: {out} holds something else than a combination; give another folder")
    with new_folder(out) as partial:
        in_small = any((folder / SMALL_GRID).exists() for folder in sources)
        grids = (*GRIDS, SMALL_GRID) if in_small else GRIDS
        counts = {grid: combine_grid(sources, grid, partial / grid) for grid in grids}
        for folder in sources:
            for theory in (path.parent for path in sorted((folder / "theory").glob("*/summary.json"))):
                shutil.rmtree(partial / "theory" / theory.name, ignore_errors=True)
                shutil.copytree(theory, partial / "theory" / theory.name)
        write_json(partial / "parameters.json", _united([folder / "parameters.json" for folder in sources]))
        write_json(partial / MARK, counts)
    print(f"{out}: {', '.join(f'{count} runs of {grid}' for grid, count in counts.items())}")


def combine_grid(sources: Sequence[Path], grid: str, out: Path) -> int:
    """Write runs, audits, curves and steps of a grid from all folders of metrics; return the number of runs.

    Raises DataError, naming the file, where one is not what the collectors write.
    """
    folders = {source / grid: source.parent.as_posix() for source in sources if (source / grid / "runs.csv").exists()}
    tables: dict[str, dict[str, pd.DataFrame]] = {"runs": {}, "curves": {}, "steps": {}}
    for folder, origin in folders.items():
        for name, found in tables.items():
            found |= by_run(folder / f"{name}.csv")
        if len(folders) > 1:
            tables["runs"] |= {run: tables["runs"][run].assign(origin=origin) for run in by_run(folder / "runs.csv")}
    for name, found in tables.items():
        if missing := tables["runs"].keys() - found.keys():
            raise DataError(f"{name}.csv has nothing of {min(missing)}; make it again with `make report`")
        rows = [found[run] for run in tables["runs"]]
        write_table(out / f"{name}.csv", pd.concat(rows) if rows else pd.DataFrame(columns=["run"]))
    write_json(out / "audits.json", _united([folder / "audits.json" for folder in folders]))
    return len(tables["runs"])


def _united(files: Sequence[Path]) -> dict[str, Any]:
    """The mappings of all files that are there, a later one's value where a key stands in two."""
    return {key: value for file in files if file.exists() for key, value in read_mapping(file).items()}


if __name__ == "__main__":
    run_stage(main)
