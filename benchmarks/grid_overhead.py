"""What DVC costs on the paper's whole grid: to run all of it, and once it has run, to see that there is nothing to do.

`python -m benchmarks.grid_overhead` copies the project to a temporary repository and runs paper/dvc.yaml and
theory/dvc.yaml there with a `python` that copies small files to the place of every result, so that nothing is trained
and what is left is DVC's. Then it times whole commands on the grid that has run.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from dvc.repo import Repo

from benchmarks.dvc_overhead import DVC, ROOT, RUNNER, measure
from rethinking.core.cores import available_cores
from rethinking.core.files import write_text

PIPELINES = ("theory/dvc.yaml", "paper/dvc.yaml")  # the grid's claims are judged on the theory too
FILES_OF_A_RUN = ("model.safetensors", "metrics.json", "curves.csv", "steps.csv", "meta.json")
ONE_RUN = "paper/dvc.yaml:figure_1@mlp_1x512-none-plain-0"
# In the place of python: whatever a stage's command has for --out comes from the folder of results.
STAND_IN = """#!/bin/sh
out=$(echo "$*" | sed 's/.*--out \\([^ ]*\\).*/\\1/')
mkdir -p "$(dirname "$out")"
cp -R "results/$out" "$(dirname "$out")/"
"""


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/grid_overhead.md"))
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        stages = put_results(folder)
        whole = measure(folder, "", "env", f"PATH={folder}:{os.environ['PATH']}", *DVC, "repro", *PIPELINES)
        length = len((folder / "paper/dvc.lock").read_text().splitlines())
        lines = [
            f"{available_cores()} cores; load before {load:.1f}. {stages} stages; {length:,} lines in paper/dvc.lock.",
            f"To run them all took {whole.seconds:.0f} s: {whole.seconds / stages:.2f} s a stage, "
            f"of which {whole.cpu / stages:.2f} s of CPU.",
            "",
            "| command | seconds | CPU |",
            "| --- | ---: | ---: |",
        ]
        print("\n".join(lines), flush=True)
        for label, command in (
            ("`dvc repro paper/dvc.yaml`, nothing to do", (*DVC, "repro", "paper/dvc.yaml")),
            ("`dvc status paper/dvc.yaml`", (*DVC, "status", "--quiet", "paper/dvc.yaml")),
            ("`tools.run paper/dvc.yaml`, nothing to do", (*RUNNER, "paper/dvc.yaml")),
            ("`dvc commit` of one run", (*DVC, "commit", "--quiet", "--force", ONE_RUN)),
            ("`dvc --version`, to start it", (*DVC, "--version")),
        ):
            cost = measure(folder, label, *command)
            lines.append(f"| {label} | {cost.seconds:.1f} | {cost.cpu:.1f} |")
            print(lines[-1], flush=True)
        write_text(arguments.out, "\n".join(lines) + "\n")


def copy_project(folder: Path) -> None:
    """What Git tracks here, as it is, in a repository of its own without Git."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n")


def put_results(folder: Path) -> int:
    """Write a small file, or a folder as a run has it, for every output of the pipelines to the folder of results, and
    the stand-in for python that copies them; return how many stages.

    Locks of the project are left out: everything is to run.
    """
    write_text(folder / "python", STAND_IN)
    (folder / "python").chmod(0o755)
    for pipeline in PIPELINES:
        (folder / pipeline).with_name("dvc.lock").unlink(missing_ok=True)
    with Repo(str(folder), config={"core": {"site_cache_dir": str(folder / "site")}}) as repo:
        stages = [stage for stage in repo.index.stages if stage.path_in_repo in PIPELINES]
        for path in (Path(out.fspath) for stage in stages for out in stage.outs):
            is_file = path.suffix[1:].isalpha()  # labels-0.5 is a folder
            for file in [path] if is_file else [path / name for name in FILES_OF_A_RUN]:
                write_text(folder / "results" / file.relative_to(folder), f"{file.relative_to(folder)}\n")
    return len(stages)


if __name__ == "__main__":
    main()
