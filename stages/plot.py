"""Stage plot: the pipeline's figures from the collected metrics, as PNG and SVG of the same bytes every time."""

import argparse
from pathlib import Path

from rethinking.core.errors import run_stage
from rethinking.core.files import read_csv, read_json
from rethinking.figures.pipeline import flatten, learning_curves, memorisation, test_error, training_loss
from rethinking.figures.style import save, style
from rethinking.results.runs import by_run


def main() -> None:
    """Draw every figure from summary.json, curves.csv and steps.csv of one pipeline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    runs = flatten(read_json(arguments.metrics / "summary.json"))
    curves = by_run(read_csv(arguments.metrics / "curves.csv"))
    steps = by_run(read_csv(arguments.metrics / "steps.csv"))

    style()
    save(learning_curves(runs, curves), arguments.out / "learning_curves")
    save(training_loss(runs, steps), arguments.out / "training_loss")
    save(test_error(runs), arguments.out / "test_error")
    save(memorisation(runs, curves), arguments.out / "memorisation")


if __name__ == "__main__":
    run_stage(main)
