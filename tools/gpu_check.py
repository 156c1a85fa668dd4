"""Whether this machine's GPU trains as it should, in at most three minutes: `make gpu-check`, to paste into an issue.

A line for each check: `ok`, `FAILED` or `skipped`, and why. Exit code 1 where one failed, 2 where there is no GPU.
"""

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path

import torch

from benchmarks import limits, loops
from benchmarks.precision import prepare
from rethinking.core import config, registry
from rethinking.core.arrays import open_dataset
from rethinking.core.errors import DataError, UsageError, run_stage
from rethinking.core.files import read_json, read_yaml, write_json
from rethinking.core.interrupts import StopFlag
from rethinking.core.run_name import RunName
from rethinking.parallel.hardware import processor_name
from rethinking.training.device import select_device
from rethinking.training.problem import network, problem_of
from rethinking.training.recipe import recipe_of
from rethinking.training.step import TrainingStep
from stages.train import train_and_write

ROOT = Path(__file__).resolve().parents[1]
# Of three minutes; Python needs the rest to start.
LIMIT_SECONDS = 165
GPU_TESTS = ("-m", "gpu", "tests/training", "tests/theory")
DEMO = ROOT / "demo/params.yaml"
CORRUPTION = "labels-0.5"
# Relative, of the losses of the first step and of the second, after one update. A GPU rounds the factors of products to
# TF32, which keeps 11 bits. A CPU that rounds so, or cuts off, moves these losses by at most 0.065% and 1.0%, over the
# three networks and five seeds, and that of the fourth step by 4% already. Three times as much is allowed.
TOLERANCES = (0.002, 0.03)


class Skipped(Exception):
    """A check does not apply; the message says why."""


def main() -> None:
    """Print the machine and a line for each check. Raises DataError where one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu tries the checks themselves")
    parser.add_argument("--archs", nargs="+", default=registry.names("models"), choices=registry.names("models"))
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"torch {torch.__version__} sees no CUDA device here; the project needs none, it uses the CPU")
    print(machine(arguments.device), flush=True)
    found = [judged(name, check) for name, check in checks(arguments.device, arguments.archs)]
    if not all(found):
        raise DataError(f"{found.count(False)} of {len(found)} checks failed")


def machine(device: str) -> str:
    """The device, its driver, and the versions that decide how it is used."""
    if device == "cpu":
        return f"{processor_name()}, torch {torch.__version__}, Python {platform.python_version()}"
    try:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20).stdout.split()[0]
    except (OSError, IndexError, subprocess.SubprocessError):
        driver = "unknown"
    versions = f"torch {torch.__version__}, CUDA {torch.version.cuda}, Python {platform.python_version()}"
    return f"{torch.cuda.get_device_name()}, driver {driver}, {versions}"


def judged(name: str, check: Callable[[], str]) -> bool:
    """Print the verdict of a check, which returns or raises what there is to say; whether it did not fail."""
    try:
        verdict, text = "ok", check()
    except Skipped as reason:
        verdict, text = "skipped", str(reason)
    except Exception as error:  # whatever a device does wrong, the other checks still say something
        verdict, text = "FAILED", " ".join(str(error).split()) or type(error).__name__
    print(f"{verdict:<8}{name}: {text}", flush=True)
    return verdict != "FAILED"


def checks(device: str, archs: list[str]) -> Iterator[tuple[str, Callable[[], str]]]:
    """Each check and its name. A later one may report on the steps that an earlier one took."""
    started = time.monotonic()
    steps: dict[str, TrainingStep] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo = [arch for arch in config.load(DEMO).train.archs if arch in archs]
        yield "agreement with the CPU", lambda: agreement(folder, demo, device, steps)
        yield "the demo's runs", lambda: train_demo(folder, demo, device)
    for arch in archs:
        yield f"rate of {arch}", partial(rate, arch, device, steps)
    yield "step as one CUDA graph", lambda: captured(device, steps)
    yield "tests of the GPU", lambda: gpu_tests(device, LIMIT_SECONDS - (time.monotonic() - started))


def digits(folder: Path) -> Path:
    """The demo's 200 digits with half of the labels random, as folders of `folder`, made on first use."""
    if not (folder / CORRUPTION).exists():
        prepare(folder, [DEMO], [CORRUPTION])
    return folder


def agreement(folder: Path, archs: list[str], device_name: str, steps: dict[str, TrainingStep]) -> str:
    """The losses of the demo's first steps on the device, which are added to `steps`, beside those on the CPU."""
    require_networks(archs)
    parameters, data = config.load(DEMO), open_dataset(digits(folder) / CORRUPTION, folder / "raw")
    losses: dict[str, dict[str, list[float]]] = {arch: {} for arch in archs}
    # The CPU first: products in TF32, once switched on for a GPU, may be on for the CPU too.
    for name in dict.fromkeys(("cpu", device_name)):
        device = select_device(name, deterministic=True)
        for arch in archs:
            model = network(parameters, arch, data).to(device)
            problem = problem_of(parameters, arch, data, device)
            step = steps[f"{arch} in float32"] = TrainingStep(model.train(), problem, recipe_of(parameters, arch))
            step.begin_epoch(1)
            for position in range(len(TOLERANCES)):
                step.run(position)
            losses[arch][name] = step.losses[: len(TOLERANCES)].tolist()
    return within_rounding({arch: (found["cpu"], found[device_name]) for arch, found in losses.items()})


def within_rounding(losses: dict[str, tuple[list[float], list[float]]]) -> str:
    """Say how much the losses of each architecture differ. Raises DataError where rounding does not explain it."""
    differences = {
        arch: [abs(ours / expected - 1) for expected, ours in zip(*both, strict=True)] for arch, both in losses.items()
    }
    parts = [f"{arch} {', '.join(f'{each:.3%}' for each in steps)}" for arch, steps in differences.items()]
    text = (
        f"losses of the first steps differ by {'; '.join(parts)}; allowed {', '.join(f'{t:.1%}' for t in TOLERANCES)}"
    )
    close = [d <= t for steps in differences.values() for d, t in zip(steps, TOLERANCES, strict=True)]
    if not all(close):
        raise DataError(text)
    return text


def train_demo(folder: Path, archs: list[str], device: str) -> str:
    """Train the demo's networks to the end, as its stages do."""
    require_networks(archs)
    document = read_yaml(DEMO)
    document["train"] |= {"device": device, "live": False}
    write_json(digits(folder) / "own.yaml", document)  # which is YAML too
    unfitted = []
    for arch in archs:
        with chdir(folder), redirect_stderr(StringIO()):  # for its checkpoint, and without its progress bar
            train_and_write([Path("own.yaml")], RunName(arch), Path("raw"), Path(CORRUPTION), Path(arch), StopFlag())
        run = read_json(folder / arch / "metrics.json")
        unfitted += [] if run["fitted"] else [f"{arch} at {run['train_accuracy']:.1%}"]
    if unfitted:
        raise DataError(f"not fitted: {', '.join(unfitted)}")
    return f"{', '.join(archs)} fit 200 digits with half of the labels random"


def require_networks(archs: list[str]) -> None:
    """Raise Skipped where no network of the demo was asked for."""
    if not archs:
        raise Skipped("no network of the demo was asked for")


def rate(arch: str, device_name: str, steps: dict[str, TrainingStep]) -> str:
    """Images per second of the training step, which is added to `steps`."""
    device = select_device(device_name, deterministic=True)
    on_gpu = device.type == "cuda"
    precision, at_once = ("bf16", 20) if on_gpu else ("float32", 1)
    size = config.load(ROOT / "params.yaml").input_size(arch)
    problem = loops.resident_problem(*loops.images_and_labels(loops.BATCH * 20, max(size, 32)), size, device)
    step = steps[f"{arch} in {precision}"] = loops.engine_step(arch, size, problem, precision)
    take = loops.engine(step)
    seconds = limits.seconds(lambda: take(at_once), device, 1.0 if on_gpu else 0.1)
    return f"{at_once * loops.BATCH / seconds:,.0f} images/s at batch {loops.BATCH} in {precision}"


def captured(device: str, steps: dict[str, TrainingStep]) -> str:
    """Whether the device took each step as a graph. Raises DataError where it refused."""
    if refusals := {name: step.refusal for name, step in steps.items() if step.refusal}:
        reason = next(iter(refusals.values()))
        raise DataError(f"{reason}; slower, and with the same results, run so {', '.join(refusals)}")
    if device == "cpu":
        raise Skipped("a CPU has no graphs")
    taken = [name for name, step in steps.items() if step.graphs]
    if not taken:
        raise Skipped("no step was taken")
    return ", ".join(taken)


def gpu_tests(device: str, seconds: float) -> str:
    """The last line of pytest on the tests marked gpu. Raises DataError where one failed, or time was over."""
    if device == "cpu":
        raise Skipped("the device is a CPU")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *GPU_TESTS]
    again = f"python -m pytest {' '.join(GPU_TESTS)}"
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=max(seconds, 30))
    except subprocess.TimeoutExpired:
        raise DataError(f"not at their end after {max(seconds, 30):.0f} s; run {again}") from None
    last = (done.stdout.strip() or done.stderr.strip() or "nothing was printed").splitlines()[-1]
    if done.returncode:
        raise DataError(f"{last}; {again} shows more")
    return last


if __name__ == "__main__":
    run_stage(main)
