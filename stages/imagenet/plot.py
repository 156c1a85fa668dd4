"""Stage plot: figure 2a and table 2 from the collected metrics, as PNG and SVG of the same bytes every time."""

from rethinking.core.arguments import path_parser
from rethinking.core.errors import run_stage
from rethinking.figures.paper import draw_all
from rethinking.results.runs import load_runs


def main() -> None:
    """Draw from runs.csv, curves.csv and steps.csv of one set."""
    arguments = path_parser(__doc__, "metrics", "out").parse_args()
    draw_all({"imagenet": load_runs(arguments.metrics)}, arguments.out)


if __name__ == "__main__":
    run_stage(main)
