"""Record what has run of the paper's grid as a reference: results, parameters, lock, and what it was measured on.

`make reference NAME=my-gpu/cifar10` writes reference/my-gpu/cifar10, whole or not at all, once `make report` has run.
"""

import argparse
import shutil
from pathlib import Path

from stages.comparison import data_hashes
from stages.environment import environment
from stages.errors import DataError, run_stage
from stages.files import new_folder, read_json, write_csv, write_json
from stages.parallel.times import times

# Each result that may be there: the folder of its metrics, that of its figures, and its data sets.
RESULTS = {
    "paper": ("paper", ["cifar10", "corrupted/cifar10"]),
    "cifar100": ("paper", ["cifar100", "corrupted/cifar100"]),
    "mnist": ("paper", ["mnist", "corrupted/mnist"]),
    "theory/mnist": ("theory/mnist", ["theory/mnist"]),
    "theory/cifar10": ("theory/cifar10", ["theory/cifar10"]),
}
VERDICTS = ("claims.json", "claims.md", "parameters.json")
COPIED = {
    "params.yaml": "params.yaml",
    "paper/params.yaml": "paper.yaml",
    "paper/dvc.lock": "dvc.lock",  # the hash of every input and output
}


def main() -> None:
    """Write the folder; only that of which something has run is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metrics", type=Path, default=Path("metrics"))
    parser.add_argument("--plots", type=Path, default=Path("plots"))
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    ran = [name for name in RESULTS if _has_results(arguments.metrics / name / "summary.json")]
    if not ran:
        raise DataError(f"{arguments.metrics} holds no result of {', '.join(RESULTS)}; run some, then `make report`")
    hashes = data_hashes([arguments.data / name for result in ran for name in RESULTS[result][1]])
    with new_folder(arguments.out) as folder:
        for name in ran:
            shutil.copytree(arguments.metrics / name, folder / "metrics" / name)
        for name in dict.fromkeys(RESULTS[result][0] for result in ran):
            for picture in sorted((arguments.plots / name).glob("*.png")):
                _copy(picture, folder / "plots" / name / picture.name)
        for name in VERDICTS:
            _copy(arguments.metrics / name, folder / "metrics" / name)
        for source, name in COPIED.items():
            _copy(Path(source), folder / name)
        write_json(folder / "data.json", hashes)
        write_json(folder / "environment.json", environment())
        write_csv(folder / "times.csv", [{"stage": stage, "seconds": took} for stage, took in sorted(times().items())])
    print(f"{arguments.out}: {', '.join(ran)}; add a line on the machine to reference/README.md")


def _has_results(summary: Path) -> bool:
    return summary.exists() and any(read_json(summary).values())


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise DataError(f"{source}: no such file; run the pipeline, then `make report`")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    run_stage(main)
