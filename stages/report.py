"""Stage report: one HTML page with the claims, figures and tables of the paper beside what has run so far."""

import argparse
from itertools import product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.errors import UsageError, run_stage
from stages.files import write_text
from stages.paper.page import build_page


def main() -> None:
    """Write the page; links in it are relative to its own folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, default=Path("metrics"))
    parser.add_argument("--plots", type=Path, default=Path("plots"))
    parser.add_argument("--grid", type=Path, default=Path("paper/params.yaml"), help="whose blocks name the stages")
    parser.add_argument("--out", type=Path, default=Path("report.html"))
    arguments = parser.parse_args()
    if not arguments.grid.exists():
        raise UsageError(f"--grid: no such file '{arguments.grid}'; expected the grid's parameters, paper/params.yaml")
    document = YAML(typ="safe", pure=True).load(arguments.grid.read_text(encoding="utf-8"))
    page = build_page(arguments.metrics, arguments.plots, arguments.out, targets(document["paper"]))
    write_text(arguments.out, page)
    print(f"{arguments.out}: {len(page.encode()) / 1e6:.1f} MB")


def targets(grid: dict[str, Any]) -> dict[tuple[str, str], str]:
    """The stage that makes each run of the grid, by the folder of its metrics and its name."""
    found = {}
    for block, lists in grid["runs"].items():
        folder = lists.get("dataset", "paper")
        for parts in product(lists["archs"], lists["corruptions"], lists["variants"], grid["seeds"]):
            name = "-".join(str(part) for part in parts)
            found[folder, name] = f"paper/dvc.yaml:{block}@{name}"
    return found


if __name__ == "__main__":
    run_stage(main)
