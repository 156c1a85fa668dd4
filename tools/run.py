"""Many stages of a pipeline at once, with the results of `dvc repro`: `python -m tools.run --jobs 4 demo/dvc.yaml`.

It walks DVC's own graph; each stage is a `dvc repro --single-item`, started as soon as all it needs is done. A failed
stage leaves out only what needs it. Ctrl-C lets the running stages save their state; the same command continues.
"""

import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rethinking.core import config
from rethinking.core.arguments import path_parser
from rethinking.core.config import Resources
from rethinking.core.cores import available_cores
from rethinking.core.errors import Interrupted, UsageError, run_stage
from rethinking.core.interrupts import StopFlag
from rethinking.parallel import local
from rethinking.parallel.graph import Stage, outdated, planned_stages
from rethinking.parallel.machine import Machine, available_gpus
from rethinking.parallel.ray import cluster as ray_cluster
from rethinking.parallel.ray import engine as ray_engine
from rethinking.parallel.schedule import Schedule
from rethinking.parallel.view import View


def main() -> None:
    """Run the targets; exit with 1 where a stage failed."""
    parser = path_parser(__doc__)
    parser.add_argument(
        "targets", nargs="*", default=["dvc.yaml"], help="as `dvc repro` takes them (default: dvc.yaml)"
    )
    parser.add_argument("--jobs", type=int, help="stages at once, as far as they fit (default: 1; cores of a cluster)")
    parser.add_argument("--threads", type=int, help="of each stage (default: OMP_NUM_THREADS; all cores)")
    parser.add_argument("--engine", choices=["local", "ray"], default="local", help="ray: on a running Ray cluster")
    arguments = parser.parse_args()
    for name in ("jobs", "threads"):
        number = getattr(arguments, name)
        if number is not None and number < 1:
            raise UsageError(f"--{name}: found {number}; expected 1 or more")
    if arguments.threads:
        os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    # Before the flag, as Ray takes the signals.
    ray = ray_cluster.connect() if arguments.engine == "ray" else None
    jobs = arguments.jobs or (ray_cluster.cores(ray) if ray else 1)
    with StopFlag() as stop:
        failed = run(arguments.targets, jobs, stop, ray)
        if stop.signal_number:
            raise Interrupted("stopped; run the same command again to continue", stop.signal_number)
    sys.exit(1 if failed else 0)


def run(targets: Sequence[str], jobs: int, stop: StopFlag, ray: Any = None) -> bool:
    """Run the targets on this machine or on a Ray cluster, showing how it goes; whether a stage failed."""
    stages = planned_stages(targets)
    resources = resources_of(stages)
    schedule = Schedule(stages, outdated({stage.name for stage in stages}))
    with View(schedule, jobs) as view:
        if ray:
            failures = ray_engine.run(ray, schedule, jobs, resources, view, stop)
        else:
            machine = Machine(jobs, available_cores(), available_gpus())
            failures = local.run(schedule, machine, resources, view, stop)
    view.account(failures)
    return bool(failures)


def resources_of(stages: Sequence[Stage]) -> dict[str, Resources]:
    """What each stage takes, from `resources` in the root's params.yaml and in that beside the stage's dvc.yaml.

    Keys are patterns of stage names, such as `train@*inception*`; the last one that fits counts.
    """
    found = {}
    for folder in {stage.folder for stage in stages}:
        files = dict.fromkeys([Path("params.yaml"), folder / "params.yaml"])
        patterns = config.resources(*(file for file in files if file.exists()))
        for stage in stages:
            if stage.folder == folder:
                name = stage.name.rpartition(":")[2]
                fitting = [each for pattern, each in patterns.items() if fnmatchcase(name, pattern)]
                found[stage.name] = fitting[-1] if fitting else Resources()
    return found


if __name__ == "__main__":
    run_stage(main)
