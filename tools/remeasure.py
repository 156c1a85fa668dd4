"""Measure every run of the paper's grid that is here again, from its weights: they must give what the run recorded.

The headline and the demo do so in their stage `evaluate`; the grid's `collect` takes the runs' own numbers, of the runs
that are measured here.
"""

from pathlib import Path

from rethinking.core import config
from rethinking.core.arguments import path_parser
from rethinking.core.arrays import open_dataset
from rethinking.core.errors import run_stage
from rethinking.paper.names import PAPER_GRIDS
from rethinking.training.device import select_device
from stages import collect
from stages.evaluate import measure


def main() -> None:
    """Raise DataError at the first run whose weights give other accuracies; say how many there are."""
    path_parser(__doc__).parse_args()
    count = 0
    for grid in PAPER_GRIDS:
        parameters = config.load(Path("params.yaml"), Path("paper/params.yaml"), Path(f"paper/{grid}.yaml"))
        device = select_device(parameters.train.device, parameters.train.deterministic)
        sets = collect.read_sets(parameters, Path("data/corrupted", grid))
        for run in parameters.planned_runs():
            folder = Path("runs", grid, run.text)
            if folder.exists() and collect.measured(parameters, run, folder, sets):
                data = open_dataset(Path("data/corrupted", grid, run.corruption or ""), Path("data", grid))
                measure(parameters.of_run(run), run, folder, data, device)
                count += 1
    print(f"{count} runs measured again from their weights")


if __name__ == "__main__":
    run_stage(main)
