"""Training speed of every architecture against the loops people use and the machine's limit, all in one run.

`make bench` prints the table and writes it, with a picture, to benchmarks/results/. Contenders take turns in rounds, so
that a machine that slows down slows all alike; ratios are medians over rounds.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch

from benchmarks import goals, limits, loops
from rethinking.core import config
from rethinking.core.cores import available_cores
from rethinking.core.files import write_json, write_text
from rethinking.parallel.hardware import processor_name
from rethinking.training.device import select_device
from rethinking.training.evaluation import predict_all
from stages.count_parameters import ARCHS

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = {
    "common": "common loop (a)",
    "resident": "resident float32 (b)",
    "float32": "engine float32",
    "bf16": "engine bf16",
}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archs", nargs="+", default=ARCHS, choices=ARCHS)
    parser.add_argument("--seconds", type=float, default=2.0, help="per contender and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precisions", nargs="+", default=None, choices=["float32", "bf16"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    device = select_device(arguments.device, deterministic=True)
    precisions = arguments.precisions or _useful_precisions(device)

    report: dict[str, Any] = {"machine": machine(device), "limits": machine_limits(device, precisions)}
    first_step, end = startup_seconds()
    report |= {"first_step_seconds": first_step, "startup_seconds": end, "archs": {}}
    for arch in arguments.archs:
        result = measure(arch, device, precisions, arguments.seconds, arguments.rounds)
        limit = report["limits"][f"{result['best']}_flops"]
        result["share_of_limit"] = result["flops_per_image"] * result["images_per_second"][result["best"]] / limit
        report["archs"][arch] = result
        print(row(arch, report["archs"][arch]), flush=True)
        write(report, arguments.out)
    # After all rates, as profiling changes how memory is handed out.
    for arch, result in report["archs"].items():
        result["hot_spots"] = hot_spots(arch, device, result["best"])
    write(report, arguments.out)
    print(table(report))


def write(report: dict[str, Any], out: Path) -> None:
    """The numbers so far, as a table and as a picture: whatever ends a long run, they are there."""
    write_json(out / "throughput.json", report)
    write_text(out / "throughput.md", table(report))
    picture(report, out / "throughput.png")


def machine(device: torch.device) -> dict[str, Any]:
    """What the numbers were measured on."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else processor_name()
    return {
        "device": name,
        "kind": device.type,
        "cores": available_cores(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def machine_limits(device: torch.device, precisions: list[str]) -> dict[str, float]:
    """Matrix products per second in each precision (float32 on CUDA is TF32) and the rate of memory copies."""
    dtypes = {"float32": torch.float32, "bf16": torch.bfloat16}
    rates = {f"{name}_flops": limits.matrix_rate(device, dtypes[name]) for name in precisions}
    return {**rates, "copy_bytes": limits.copy_rate(device)}


def measure(arch: str, device: torch.device, precisions: list[str], duration: float, rounds: int) -> dict[str, Any]:
    """Images per second of each contender (medians), its work per image, and the cost of an epoch's evaluation."""
    size = config.load(Path("params.yaml")).input_size(arch)
    count = 50_000 if device.type == "cuda" else 5_000
    images, labels = loops.images_and_labels(count)
    problem = loops.resident_problem(images, labels, size, device)
    workers = max(2, min(8, os.cpu_count() or 2))
    contenders = {
        "common": loops.common_loop(arch, size, images, labels, device, workers),
        "resident": loops.resident_loop(arch, size, problem),
        **{name: loops.engine(loops.engine_step(arch, size, problem, name)) for name in precisions},
    }
    speeds = measure_in_turns(contenders, duration, rounds)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    best = max(precisions, key=lambda precision: medians[precision])
    forward, flops = limits.flops_per_image(loops.build(arch, size), (3, size, size))
    part = loops.resident_problem(images[: count // 5], labels[: count // 5], size, device)
    step = loops.engine_step(arch, size, part, best)
    evaluation = limits.seconds(lambda: predict_all(step.compute_model, step.problem, best), device, 1.0)
    evaluated = len(part.train_labels) + len(part.test_labels)
    return {
        "images_per_second": medians,
        "best": best,
        "ratio_to_common": _median_ratio(speeds[best], speeds["common"]),
        "ratio_to_resident": _median_ratio(speeds[best], speeds["resident"]),
        "flops_per_image": flops,
        # CIFAR-10: 60,000 images evaluated after 50,000 trained on. The floor: at the training's rate of operations.
        "evaluation_share": 1.2 * (evaluation / evaluated) * medians[best],
        "evaluation_floor": 1.2 * forward / flops,
    }


def measure_in_turns(contenders: dict[str, loops.Steps], duration: float, rounds: int) -> dict[str, list[float]]:
    """Images per second of each contender in each round, in which it runs for about `duration` seconds."""
    steps = {}
    for name, take in contenders.items():
        take(3)
        start = time.perf_counter()
        take(5)
        steps[name] = max(2, round(duration * 5 / (time.perf_counter() - start)))
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, take in contenders.items():
            start = time.perf_counter()
            take(steps[name])
            speeds[name].append(steps[name] * loops.BATCH / (time.perf_counter() - start))
    return speeds


def hot_spots(arch: str, device: torch.device, precision: str) -> dict[str, float]:
    """The operators that take most of the time of the engine's steps, with their shares of it."""
    size = config.load(Path("params.yaml")).input_size(arch)
    problem = loops.resident_problem(*loops.images_and_labels(5000), size, device)
    steps = loops.engine(loops.engine_step(arch, size, problem, precision))
    steps(5)
    return limits.hot_spots(lambda: steps(10), device)


def startup_seconds() -> tuple[float, float]:
    """Wall time from `dvc repro` of a training stage to its first step, and to its end.

    For one epoch of 20 digits, in a temporary clone whose data set is there: DVC, imports, data to the device.
    """
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        params = (clone / "demo/params.yaml").read_text(encoding="utf-8").replace("train_size: 200", "train_size: 20")
        (clone / "demo/params.yaml").write_text(params.replace("epochs: 24", "epochs: 1"), encoding="utf-8")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "DVC_SITE_CACHE_DIR": f"{folder}/site"}
        repro = [sys.executable, "-m", "dvc", "repro"]
        subprocess.run(
            [*repro, "demo/dvc.yaml:corrupt@none"], cwd=clone, env=environment, check=True, capture_output=True
        )
        start = time.perf_counter()
        with subprocess.Popen(
            [*repro, "demo/dvc.yaml:train@mlp_1x512-none"],
            cwd=clone,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr
            said = ""
            while "0/1 " not in said and (letter := process.stderr.read(1)):  # the bar appears before the first step
                said += letter
            first_step = time.perf_counter() - start
            said += process.stderr.read()
        if process.returncode:
            raise RuntimeError(said)
        return first_step, time.perf_counter() - start


def table(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    machine, found = report["machine"], report["limits"]
    rates = ", ".join(
        f"{name.removesuffix('_flops')} {rate / 1e9:,.0f} GFLOP/s" for name, rate in found.items() if "flops" in name
    )
    hardware = f"{machine['device']}, {machine['cores']} cores, torch {machine['torch']}"
    lines = [
        f"Images per second at batch {loops.BATCH} on {hardware}.",
        f"Limits in the same run: matrix products {rates}; memory copy {found['copy_bytes'] / 1e9:,.1f} GB/s.",
        "`dvc repro` of a training stage of one tiny epoch, in a clone: "
        f"{report['first_step_seconds']:.1f} s to the first step, {report['startup_seconds']:.1f} s to the end.",
        "",
        "| architecture | "
        + " | ".join(COLUMNS.values())
        + " | best / (a) | best / (b) | share of limit | evaluation adds to an epoch | floor |",
        "| --- |" + " ---: |" * (len(COLUMNS) + 5),
    ]
    for arch, result in report["archs"].items():
        speeds = [f"{result['images_per_second'].get(name, float('nan')):,.0f}" for name in COLUMNS]
        speeds = ["not measured" if speed == "nan" else speed for speed in speeds]
        lines.append(
            f"| {arch} | {' | '.join(speeds)} | {result['ratio_to_common']:.1f}x | {result['ratio_to_resident']:.1f}x "
            f"| {result['share_of_limit']:.0%} | {result['evaluation_share']:.0%} | {result['evaluation_floor']:.0%} |"
        )
    lines += [
        "",
        "The floor is what an evaluation would add at the rate of operations that training has.",
    ]
    lines += ["", goals.table(machine["kind"], report["archs"])]
    lines += ["| architecture | most of a step's time, by the profiler |", "| --- | --- |"]
    for arch, result in report["archs"].items():
        spots = ", ".join(f"{name} {share:.0%}" for name, share in result.get("hot_spots", {}).items())
        lines.append(f"| {arch} | {spots} |")
    return "\n".join(lines) + "\n"


def row(arch: str, result: dict[str, Any]) -> str:
    """A line to watch while the rest is measured."""
    speeds = ", ".join(f"{name} {speed:,.0f}" for name, speed in result["images_per_second"].items())
    return f"{arch}: {speeds} images/s; {result['ratio_to_common']:.1f}x the common loop"


def picture(report: dict[str, Any], path: Path) -> None:
    """Images per second of every contender, logarithmic, a group per architecture."""
    figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
    colours = ["#999999", "#e69f00", "#0072b2", "#009e73"]
    for index, (name, label) in enumerate(COLUMNS.items()):
        points = [
            (position + 0.2 * index - 0.3, result["images_per_second"][name])
            for position, result in enumerate(report["archs"].values())
            if name in result["images_per_second"]
        ]
        if points:
            places, heights = zip(*points, strict=True)
            axes.bar(places, heights, 0.19, color=colours[index], label=label)
    axes.set_yscale("log")
    axes.set_xticks(range(len(report["archs"])), list(report["archs"]))
    axes.set(ylabel="images per second", title=f"Training speed on {report['machine']['device']}, batch {loops.BATCH}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=140, metadata={"Software": None})


def _useful_precisions(device: torch.device) -> list[str]:
    """Both, but not bf16 on a CPU that would only emulate it."""
    has_bf16 = device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return ["float32", "bf16"] if has_bf16 else ["float32"]


def _median_ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
