"""Stage plot_paper: the paper's figures and tables from the grids' metrics, ours beside the paper's, as PNG and SVG."""

import argparse
from pathlib import Path

from rethinking.core.errors import run_stage
from rethinking.figures.paper import draw_all, load_grids


def main() -> None:
    """Draw every figure from what has run so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, default=Path("metrics"))
    parser.add_argument("--out", type=Path, default=Path("plots/paper"))
    arguments = parser.parse_args()
    draw_all(load_grids(arguments.metrics), arguments.out)


if __name__ == "__main__":
    run_stage(main)
