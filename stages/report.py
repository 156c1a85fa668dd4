"""Stage report: one HTML page with the claims, figures and tables of the paper beside what has run so far."""

from pathlib import Path

from rethinking.core import config
from rethinking.core.arguments import path_parser
from rethinking.core.config import Paper
from rethinking.core.errors import UsageError, run_stage
from rethinking.core.files import write_text
from rethinking.core.run_name import RunName
from rethinking.report.page import build_page


def main() -> None:
    """Write the page; links in it are relative to its own folder."""
    parser = path_parser(__doc__, metrics="metrics", plots="plots", out="report.html")
    parser.add_argument("--grid", type=Path, default=Path("paper/params.yaml"), help="whose blocks name the stages")
    parser.add_argument("--small", action="store_true", help="the metrics are of the grid in small")
    arguments = parser.parse_args()
    if not arguments.grid.exists():
        raise UsageError(f"--grid: no such file '{arguments.grid}'; expected the grid's parameters, paper/params.yaml")
    files = [arguments.grid, arguments.grid.with_name("small.yaml")] if arguments.small else [arguments.grid]
    commands = targets(config.paper(*files), arguments.small)
    page = build_page(arguments.metrics, arguments.plots, arguments.out, commands, arguments.small)
    write_text(arguments.out, page)
    print(f"{arguments.out}: {len(page.encode()) / 1e6:.1f} MB")


def targets(grid: Paper, small: bool) -> dict[tuple[str, RunName], str]:
    """The stage that makes each run of the grid, or of the grid in small, by the folder of its metrics and its name."""
    return {
        (block.dataset, run): f"paper/dvc.yaml:{name}{'_small' if small else ''}@{run.text}"
        for name, block in grid.runs.items()
        if block.dataset == "cifar10" or not small
        for run in block.planned_runs(grid.seeds)
    }


if __name__ == "__main__":
    run_stage(main)
