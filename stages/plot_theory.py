"""Stage plot_theory: the figures of sections 4 and 5 on one data set, as PNG and SVG of the same bytes every time."""

import pandas as pd

from rethinking.core.arguments import path_parser
from rethinking.core.errors import run_stage
from rethinking.core.files import read_mapping
from rethinking.core.tables import read_table
from rethinking.figures.style import save, style
from rethinking.figures.theory import expressivity, kernels, minimum_norm, random_signs


def main() -> None:
    """Draw the figures of what was collected."""
    arguments = path_parser(__doc__, "metrics", "out").parse_args()
    summary = read_mapping(arguments.metrics / "summary.json")

    def table(name: str) -> pd.DataFrame:
        return read_table(arguments.metrics / f"{name}.csv")

    style()
    if "expressivity" in summary:
        save(expressivity(table("conditioning")), arguments.out / "expressivity")
    if "minimum_norm" in summary:
        save(minimum_norm(table("distances"), table("interpolants")), arguments.out / "minimum_norm")
        save(random_signs(table("random_signs"), summary["minimum_norm"]["train_size"]), arguments.out / "random_signs")
    if summary["kernel"]:
        save(kernels(table("search"), summary["kernel"]), arguments.out / "kernel")


if __name__ == "__main__":
    run_stage(main)
