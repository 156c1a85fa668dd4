"""Stage plot: the pipeline's figures from the collected metrics, as PNG and SVG of the same bytes every time."""

from rethinking.core.arguments import path_parser
from rethinking.core.errors import DataError, run_stage
from rethinking.figures.curves import learning_curves, memorisation, training_loss
from rethinking.figures.levels import test_error
from rethinking.figures.style import save, style
from rethinking.results.runs import load_runs

FIGURES = {
    "learning_curves": learning_curves,
    "training_loss": training_loss,
    "test_error": test_error,
    "memorisation": memorisation,
}


def main() -> None:
    """Draw every figure from summary.json, curves.csv and steps.csv of one pipeline."""
    arguments = path_parser(__doc__, "metrics", "out").parse_args()
    runs = load_runs(arguments.metrics)
    if not runs:
        raise DataError(f"{arguments.metrics} holds no runs; run the pipeline that writes them first")
    style()
    for name, draw in FIGURES.items():
        save(draw(runs), arguments.out / name)


if __name__ == "__main__":
    run_stage(main)
