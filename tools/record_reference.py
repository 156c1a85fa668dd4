"""Record what has run of the paper's grid and theory as a reference: results, parameters, locks, versions, times.

`make reference NAME=my-gpu/cifar10` writes reference/my-gpu/cifar10, whole or not at all, once `make report` has run.
Its files lie as those of the project do. With --runs it records the seeds of one small pipeline, such as the demo.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rethinking.core import config
from rethinking.core.arguments import path_parser
from rethinking.core.errors import DataError, UsageError, run_stage
from rethinking.core.files import new_folder, read_json, read_yaml, write_json
from rethinking.core.tables import write_table
from rethinking.paper.names import PAPER_GRIDS, SMALL_GRID
from rethinking.parallel.hardware import environment
from rethinking.parallel.times import times
from rethinking.results.comparison import data_hashes
from rethinking.results.runs import load_runs, read_runs


class Result(NamedTuple):
    """What belongs to the folder of metrics of one pipeline and data set."""

    plots: str
    data: list[str]
    parameters: list[str]

    @property
    def lock(self) -> str:
        """The hashes of all that its pipeline's stages read and wrote."""
        return Path(self.parameters[-1]).with_name("dvc.lock").as_posix()


GRID = ["params.yaml", "paper/params.yaml"]
RESULTS = {
    **{name: Result("paper", [name, f"corrupted/{name}"], [*GRID, f"paper/{name}.yaml"]) for name in PAPER_GRIDS},
    SMALL_GRID: Result("small/paper", ["small", "corrupted/small"], [*GRID, "paper/small.yaml"]),
    **{name: Result(name, [name], [f"{name}.yaml"]) for name in ("theory/mnist", "theory/cifar10")},
    **{
        name: Result(name, [name, f"corrupted/{name}"], ["imagenet/params.yaml", f"imagenet/{name}.yaml"])
        for name in ("imagenet", "tiny_imagenet")
    },
}
OF_CLAIMS = ("claims.json", "claims.md", "parameters.json")
OF_SMALL_CLAIMS = ("small/claims.json", "small/claims.md")


def main() -> None:
    """Write the folder; only that of which something has run is in it."""
    parser = path_parser(__doc__, "out", metrics="metrics", plots="plots")
    parser.add_argument("--data", type=Path, nargs="+", default=[Path("data")])
    parser.add_argument("--runs", type=Path, nargs="+", help="a summary.json for each seed, instead of --metrics")
    arguments = parser.parse_args()
    if arguments.out.exists() and not (arguments.out / "environment.json").exists():
        raise UsageError(f"--out: {arguments.out} holds something else than a reference; give another folder")
    with new_folder(arguments.out) as folder:
        if arguments.runs:
            write_table(folder / "runs.csv", pd.concat([read_runs(path) for path in arguments.runs]))
            hashes = data_hashes(arguments.data)
        else:
            hashes = record_grids(arguments.metrics, arguments.plots, arguments.data[0], folder)
        write_json(folder / "data.json", hashes)
        write_json(folder / "environment.json", environment())
    print(f"{arguments.out}: recorded; say in reference/README.md what it was measured on")


def record_grids(metrics: Path, plots: Path, data: Path, folder: Path) -> dict[str, dict[str, str]]:
    """Copy what has run of the grid and the theory with its figures, parameters, locks and times into the folder.

    Return the hashes of its data sets. Raises DataError where nothing has run or a file is missing.
    """
    results = {name: result for name, result in RESULTS.items() if _has_run(metrics / name)}
    if not results:
        raise DataError(f"{metrics} holds no result of {', '.join(RESULTS)}; run some, then `make report`")
    hashes: dict[str, dict[str, str]] = {}
    for name, result in results.items():
        _require_relative_paths(result)
        hashes |= data_hashes([data / place for place in result.data])
        shutil.copytree(metrics / name, folder / "metrics" / name)
        for picture in sorted((plots / result.plots).glob("*.png")):
            _copy(picture, folder / "plots" / result.plots / picture.name)
        for file in [*result.parameters, result.lock]:
            _copy(Path(file), folder / file)
    for name in OF_CLAIMS if results.keys() - {SMALL_GRID, "tiny_imagenet"} else ():
        _copy(metrics / name, folder / "metrics" / name)
    for name in OF_SMALL_CLAIMS if SMALL_GRID in results else ():
        _copy(metrics / name, folder / "metrics" / name)
    ran = {stage for lock in {result.lock for result in results.values()} for stage in _stages_of(lock)}
    write_table(folder / "times.csv", [row for row in times() if row["stage"] in ran])
    return hashes


def _has_run(folder: Path) -> bool:
    summary = folder / "summary.json"
    return len(load_runs(folder)) > 0 if not summary.exists() else any(read_json(summary).values())


def _require_relative_paths(result: Result) -> None:
    """Raise UsageError where the parameters name a place on this machine, which is nobody else's business."""
    document = config.overlaid(*map(Path, result.parameters))
    for section, name in (("dataset", "source"), ("corrupt", "labels")):
        path = document.get(section, {}).get(name, "")
        if Path(path).is_absolute():
            raise UsageError(
                f"{section}.{name}: found '{path}' in {' with '.join(result.parameters)}; a reference keeps it, so "
                "give it relative to the project"
            )


def _stages_of(lock: str) -> list[str]:
    """The stages that a lock file holds, as `dvc repro` takes them."""
    return [f"{lock.removesuffix('lock')}yaml:{name}" for name in read_yaml(Path(lock))["stages"]]


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise DataError(f"{source}: no such file; run the pipeline, then `make report`")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    run_stage(main)
