"""Claims, figures and the report of whatever has run so far, without DVC, which would run the rest first.

The commands are those of the stages of paper/dvc.yaml and theory/dvc.yaml that collect, judge and draw.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from rethinking.core.errors import DataError, run_stage
from rethinking.parallel.graph import quiet_repository

STAGES = ("collect", "collect_theory", "count_parameters", "claims", "plot_theory", "plot_paper", "report")


def main() -> None:
    """Run the stages whose inputs are there; show the verdicts and where the page is."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with quiet_repository() as repo:
        commands = [shlex.split(stage.cmd)[2:] for stage in repo.index.stages if stage.cmd.startswith("python -m ")]
    for name in STAGES:
        for module, *arguments in commands:
            inputs = [b for a, b in zip(arguments, arguments[1:], strict=False) if a in ("--runs", "--metrics")]
            if module == f"stages.{name}" and all(Path(folder).exists() for folder in inputs):
                said = run_module(module, *arguments)
                print(said if name in ("claims", "report") else "", end="")


def run_module(module: str, *arguments: object) -> str:
    """What `python -m MODULE ARGUMENTS` prints. Raises DataError, in its words, where it fails."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(done.stderr.strip().removeprefix("error: "))
    return done.stdout


if __name__ == "__main__":
    run_stage(main)
