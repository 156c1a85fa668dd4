"""Several trainings at once, as processes: on CPU cores, one thread each, or on one GPU.

`python -m benchmarks.side_by_side` prints images per second, of all processes together: what `tools.run --jobs` gains.
The first column is one process, on all cores where it is on the CPU.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from rethinking.core.cores import available_cores
from rethinking.parallel.machine import available_gpus


def main() -> None:
    """Measure and print, the better of a few rounds each; with --alone, be one of the processes measured."""
    cores = available_cores()
    gpu = bool(available_gpus())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archs", nargs="+", default=["mlp_1x512", "mlp_3x512", "alexnet"])
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 4, 8] if gpu else [cores])
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        print(rate(arguments.archs[0], arguments.precision, arguments.seconds))
        return
    print("|", " | ".join(["architecture", "1 process", *(f"{count} processes" for count in arguments.processes)]), "|")
    print("| --- |", " ---: |" * (1 + len(arguments.processes)), sep="")
    for arch in arguments.archs:
        rounds = [
            [together(arch, arguments, count, cores if count == 1 else 1) for count in (1, *arguments.processes)]
            for _ in range(arguments.rounds)
        ]
        rates = [max(found) for found in zip(*rounds, strict=True)]
        print("|", " | ".join([arch, *(f"{rate:,.0f}" for rate in rates)]), "|", flush=True)


def together(arch: str, arguments: argparse.Namespace, processes: int, threads: int) -> float:
    """Images per second of so many processes, on so many threads each, which begin at once."""
    command = [sys.executable, "-m", "benchmarks.side_by_side", "--alone", "--archs", arch]
    command += ["--seconds", str(arguments.seconds), "--precision", arguments.precision]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if processes > 1:
        environment["OMP_WAIT_POLICY"] = "PASSIVE"  # as tools.run has it; alone, threads that spin are faster
    started = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for process in started:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in started)


def rate(arch: str, precision: str, seconds: float) -> float:
    """Images per second of the engine's step in this process, once it was told to begin."""
    from benchmarks import loops
    from rethinking.core import config
    from rethinking.training.device import select_device

    device, size = select_device("auto", True), config.load(Path("params.yaml")).input_size(arch)
    problem = loops.resident_problem(*loops.images_and_labels(50_000 if device.type == "cuda" else 5000), size, device)
    take = loops.engine(loops.engine_step(arch, size, problem, precision))
    at_once = 50 if device.type == "cuda" else 5
    take(at_once)
    print("ready", flush=True)
    sys.stdin.readline()
    steps, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        take(at_once)
        steps += at_once
    return steps * loops.BATCH / elapsed


if __name__ == "__main__":
    main()
