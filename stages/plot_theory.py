"""Stage plot_theory: the figures of sections 4 and 5 on one data set, as PNG and SVG of the same bytes every time."""

import argparse
from pathlib import Path

from rethinking.core.errors import run_stage
from rethinking.core.files import read_csv, read_json
from rethinking.figures.style import save, style
from rethinking.figures.theory import expressivity, kernels, minimum_norm, random_signs


def main() -> None:
    """Draw the figures of what was collected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    summary = read_json(arguments.metrics / "summary.json")
    names = ("conditioning", "distances", "interpolants", "random_signs", "search")
    tables = {name: read_csv(arguments.metrics / f"{name}.csv") for name in names}

    style()
    if "expressivity" in summary:
        save(expressivity(tables["conditioning"]), arguments.out / "expressivity")
    if "minimum_norm" in summary:
        size = summary["minimum_norm"]["train_size"]
        save(minimum_norm(tables["distances"], tables["interpolants"]), arguments.out / "minimum_norm")
        save(random_signs(tables["random_signs"], size), arguments.out / "random_signs")
    if summary["kernel"]:
        save(kernels(tables["search"], summary["kernel"]), arguments.out / "kernel")


if __name__ == "__main__":
    run_stage(main)
