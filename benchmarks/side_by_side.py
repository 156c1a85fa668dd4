"""Several seeds of one configuration at once: one process on all cores against a process on each core.

`python -m benchmarks.side_by_side` prints images per second, of all processes together: what `tools.run --jobs` gains
with OMP_NUM_THREADS=1 where a grid has more runs than the machine has cores.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from rethinking.parallel.machine import available_cores

ROUNDS = 3


def main() -> None:
    """Measure and print, the better of a few rounds each; with --alone, be one of the processes measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archs", nargs="+", default=["mlp_1x512", "mlp_3x512", "alexnet"])
    parser.add_argument("--seconds", type=float, default=10.0, help="for each measurement")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        print(rate(arguments.archs[0], arguments.seconds))
        return
    cores = available_cores()
    print(f"| architecture | 1 process, {cores} threads | {cores} processes, 1 thread | gain |")
    print("| --- | ---: | ---: | ---: |")
    for arch in arguments.archs:
        rounds = [
            (together(arch, arguments.seconds, 1, cores), together(arch, arguments.seconds, cores, 1))
            for _ in range(ROUNDS)
        ]
        one, several = (max(rates) for rates in zip(*rounds, strict=True))
        print(f"| {arch} | {one:,.0f} | {several:,.0f} | {several / one - 1:+.0%} |", flush=True)


def together(arch: str, seconds: float, processes: int, threads: int) -> float:
    """Images per second of so many processes at once, on so many threads each."""
    command = [sys.executable, "-m", "benchmarks.side_by_side", "--alone", "--archs", arch, "--seconds", str(seconds)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if processes > 1:
        environment["OMP_WAIT_POLICY"] = "PASSIVE"  # as tools.run has it; alone, threads that spin are faster
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return sum(float(process.communicate()[0]) for process in started)


def rate(arch: str, seconds: float) -> float:
    """Images per second of the engine's step in this process."""
    from benchmarks import loops
    from rethinking.core import config
    from rethinking.training.device import select_device

    device, size = select_device("cpu", True), config.load(Path("params.yaml")).input_size(arch)
    problem = loops.resident_problem(*loops.images_and_labels(5000), size, device)
    take = loops.engine(arch, size, problem, "float32")
    take(3)
    steps, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        take(5)
        steps += 5
    return steps * loops.BATCH / elapsed


if __name__ == "__main__":
    main()
