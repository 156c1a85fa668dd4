"""Claims, figures and the report of whatever has run so far, without DVC, which would run the rest first.

Where no folder of metrics is named, that is first collected from the runs, by the commands of the stages of
paper/dvc.yaml and theory/dvc.yaml that collect. With --small all of it is of the grid in small.
"""

import shlex
import subprocess
import sys
from pathlib import Path

from rethinking.core.arguments import path_parser
from rethinking.core.errors import DataError, run_stage
from rethinking.core.files import read_json, write_text
from rethinking.parallel.graph import dvc_errors_as_ours, quiet_repository
from rethinking.report.results import results_page
from rethinking.results.runs import load_runs

SMALL = Path("metrics/small")
COLLECTORS = ("stages.collect", "stages.collect_theory", "stages.count_parameters", "stages.imagenet.evaluate")


def main() -> None:
    """Write claims, figures and the page; show the verdicts and where the page is."""
    parser = path_parser(__doc__)
    parser.add_argument("--metrics", type=Path, help="a folder of metrics that tools.combine wrote")
    parser.add_argument("--plots", type=Path, help="default: plots, or plots/small")
    parser.add_argument("--out", type=Path, help="default: report.html, or report-small.html")
    parser.add_argument("--results", type=Path, help="also the tables of results as Markdown, as in docs/results.md")
    parser.add_argument("--small", action="store_true", help="of `make paper-small`")
    arguments = parser.parse_args()
    small = arguments.small
    metrics = arguments.metrics or (SMALL if small else Path("metrics"))
    plots = arguments.plots or Path("plots/small" if small else "plots")
    out = arguments.out or Path("report-small.html" if small else "report.html")
    if arguments.metrics is None:
        collect(small)
    of_small = ["--small"] if small else []
    print(run_module("stages.claims", "--metrics", metrics, "--out", metrics, *of_small), end="")
    run_module("stages.plot_paper", "--metrics", metrics, "--out", plots / "paper", *of_small)
    for summary in sorted((metrics / "theory").glob("*/summary.json")):
        folder = summary.parent
        run_module("stages.plot_theory", "--metrics", folder, "--out", plots / "theory" / folder.name)
    print(run_module("stages.report", "--metrics", metrics, "--plots", plots, "--out", out, *of_small), end="")
    if arguments.results:
        in_small = metrics / "small"
        if in_small.exists():
            run_module("stages.claims", "--metrics", in_small, "--out", in_small, "--small")
        verdicts = [read_json(each / "claims.json") if each.exists() else [] for each in (metrics, in_small)]
        write_text(arguments.results, results_page(load_runs(metrics / "cifar10"), *verdicts))


def collect(small: bool) -> None:
    """Collect what has run of the grids and of the theory, or of the grid in small."""
    with dvc_errors_as_ours(), quiet_repository() as repo:
        commands = [shlex.split(stage.cmd)[2:] for stage in repo.index.stages if stage.cmd.startswith("python -m ")]
    for module, *arguments in commands:
        if module not in COLLECTORS or any(each.startswith(SMALL.as_posix()) for each in arguments) != small:
            continue
        has_run = "--runs" not in arguments or Path(arguments[arguments.index("--runs") + 1]).exists()
        if has_run or module == "stages.collect":  # which lists what has not run
            run_module(module, *arguments)


def run_module(module: str, *arguments: object) -> str:
    """What `python -m MODULE ARGUMENTS` prints. Raises DataError, in its words, where it fails."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(done.stderr.strip().removeprefix("error: "))
    return done.stdout


if __name__ == "__main__":
    run_stage(main)
