"""What DVC and the runner cost: seconds per stage that does nothing, and the gain where stages take their time.

`python -m benchmarks.dvc_overhead` makes temporary repositories of trivial stages, runs them serially with `dvc repro`
and side by side with `tools.run`, and writes a Markdown table to benchmarks/results/. CPU seconds are those of all
processes together; where other work keeps the machine busy they hold, and wall-clock seconds do not.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rethinking.core.cores import available_cores
from rethinking.core.files import write_text

DVC = (sys.executable, "-m", "dvc")
RUNNER = (sys.executable, "-m", "tools.run")
ROOT = Path(__file__).resolve().parent.parent


class Cost(NamedTuple):
    """A command, and the wall-clock and CPU seconds that it took."""

    command: str
    seconds: float
    cpu: float


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, nargs="+", default=[100, 500], help="that do nothing")
    parser.add_argument("--wide", type=int, nargs="+", default=[4, 8], help="at once")
    parser.add_argument("--files", type=int, nargs="+", default=[1, 10], help="dvc.yaml files they are spread over")
    parser.add_argument("--sleepers", type=int, default=16, help="stages that sleep")
    parser.add_argument("--seconds", type=float, default=10.0, help="that they sleep")
    parser.add_argument(
        "--engine", choices=["local", "ray"], default="local", help="ray: only that, on two local nodes"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/dvc_overhead.md"))
    arguments = parser.parse_args()

    lines = [
        f"{available_cores()} cores; load before {os.getloadavg()[0]:.1f}.",
        "",
        "| stages | dvc.yaml files | command | seconds | per stage | CPU per stage |",
        "| ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    print("\n".join(lines), flush=True)
    for stages, files, cost, note in (costs_on_ray if arguments.engine == "ray" else costs_here)(arguments):
        row = f"| {stages} | {files} | {cost.command}{note} | {cost.seconds:.1f} "
        row += f"| {cost.seconds / stages:.2f} | {cost.cpu / stages:.2f} |"
        lines.append(row)
        print(row, flush=True)
        write_text(arguments.out, "\n".join(lines) + "\n")


def costs_on_ray(arguments: argparse.Namespace) -> Iterator[tuple[int, int, Cost, str]]:
    """Yield the number of stages and of pipeline files, what a run costs on a cluster, and a note."""
    jobs = str(arguments.wide[0])
    for stages in arguments.stages:
        yield stages, 1, on_ray(stages, "true", jobs), ""
    cost = on_ray(arguments.sleepers, f"sleep {arguments.seconds:g}", jobs)
    yield arguments.sleepers, 1, cost, f", stages of {arguments.seconds:g} s"


def costs_here(arguments: argparse.Namespace) -> Iterator[tuple[int, int, Cost, str]]:
    """The same on this machine."""
    for stages in arguments.stages:
        for files in arguments.files:
            for cost in trivial(stages, files, arguments.wide):
                yield stages, files, cost, ""
    costs = sleeping(arguments.sleepers, arguments.seconds, arguments.wide)
    for cost in costs:
        gain = costs[0].seconds / cost.seconds
        yield arguments.sleepers, 1, cost, f", stages of {arguments.seconds:g} s: {gain:.1f}x as fast"


def trivial(stages: int, files: int, wide: list[int]) -> list[Cost]:
    """What commands cost on stages that do nothing."""
    found = []
    for jobs in [1, *wide]:
        with tempfile.TemporaryDirectory() as folder:
            targets = repository(Path(folder), stages, files, "true")
            found.append(timed(Path(folder), jobs, targets))
            if jobs == 1:
                found += [
                    measure(Path(folder), "dvc status", *DVC, "status", "--quiet"),
                    measure(Path(folder), "dvc repro, nothing to do", *DVC, "repro", *targets),
                    measure(Path(folder), "tools.run, nothing to do", *RUNNER, *targets),
                ]
    return found


def sleeping(stages: int, duration: float, wide: list[int]) -> list[Cost]:
    """What serial and parallel runs cost on stages that sleep."""
    found = []
    for jobs in [1, *wide]:
        with tempfile.TemporaryDirectory() as folder:
            found.append(timed(Path(folder), jobs, repository(Path(folder), stages, 1, f"sleep {duration:g}")))
    return found


def timed(folder: Path, jobs: int, targets: list[str]) -> Cost:
    """`dvc repro` for one job, the runner for more."""
    if jobs == 1:
        return measure(folder, "dvc repro", *DVC, "repro", *targets)
    return measure(folder, f"tools.run --jobs {jobs}", *RUNNER, "--jobs", str(jobs), *targets)


def repository(folder: Path, stages: int, files: int, command: str) -> list[str]:
    """A repository of stages that depend on a common one, in so many pipeline files; return these."""
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n")
    (folder / "first.txt").write_text("first\n")
    targets = []
    for number in range(files):
        names = "".join(f"      - n{each}\n" for each in range(number, stages, files))
        path = folder / f"part{number}/dvc.yaml"
        path.parent.mkdir()
        path.write_text(
            f"stages:\n  s:\n    matrix:\n      name:\n{names}"
            f"    cmd: {command}; echo ${{item.name}} > ${{item.name}}\n"
            "    deps:\n    - ../first.txt\n    outs:\n    - ${item.name}\n"
        )
        targets.append(path.relative_to(folder).as_posix())
    return targets


def on_ray(stages: int, command: str, jobs: str) -> Cost:
    """What a run on a Ray cluster of two nodes on this machine costs; the CPU seconds are those of the driver alone."""
    with tempfile.TemporaryDirectory(prefix="ray") as name:
        folder = Path(name)
        driver = folder / "driver"
        driver.mkdir()
        targets = repository(driver, stages, 1, command)
        config = driver / ".dvc/config"
        settings = config.read_text().replace("no_scm = true", "remote = storage")
        config.write_text(f"{settings}['remote \"storage\"']\n    url = {folder / 'storage'}\n")
        (driver / ".gitignore").write_text("/.dvc/cache\n/.dvc/tmp\nn*\n")
        git = ("git", "-c", "user.name=benchmark", "-c", "user.email=benchmark")
        for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "stages"]):
            subprocess.run([*git, *arguments], cwd=driver, check=True)
        nodes = []
        try:
            nodes.append(start_node(driver, 0, "--head", "--port=7397", f"--temp-dir={folder}/ray"))
            for node in ("a", "b"):
                subprocess.run([*git, "clone", "--quiet", str(driver), str(folder / node)], check=True)
                nodes.append(start_node(folder / node, (int(jobs) + 1) // 2, "--address=127.0.0.1:7397"))
            os.environ["RAY_ADDRESS"] = "127.0.0.1:7397"
            label = f"tools.run --engine ray --jobs {jobs}, two nodes"
            return measure(driver, label, *RUNNER, "--engine", "ray", "--jobs", jobs, *targets)
        finally:
            for process in nodes:
                process.terminate()
                process.wait()


def start_node(folder: Path, cores: int, *options: str) -> subprocess.Popen[str]:
    """A node of a Ray cluster that works in this folder."""
    command = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block", f"--num-cpus={cores}", *options)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"}
    process = subprocess.Popen(
        [*command, "--object-store-memory=80000000", "--disable-usage-stats"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    while "Ray runtime started" not in (line := process.stdout.readline()):
        if not line:
            raise RuntimeError("Ray did not start")
    return process


def measure(folder: Path, name: str, *command: str) -> Cost:
    """The cost of a command that must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_SITE_CACHE_DIR": str(folder / "site")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(name, seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    main()
