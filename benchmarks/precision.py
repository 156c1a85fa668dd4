"""What bf16 changes: the same runs in float32 and in bf16 autocast, over seeds: evidence for a default precision.

`python -m benchmarks.precision` trains the demo's networks, or those of `--archs`, on true and on random labels and
writes a Markdown table to benchmarks/results/; `--params params.yaml` does it at full size, on a device for it. A CPU
without bf16 arithmetic emulates it, with the same rounding, several times slower.
"""

import argparse
import itertools
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.stage import run_stage
from rethinking.core import config
from rethinking.core.files import read_yaml, write_json, write_text

ROOT = Path(__file__).resolve().parent.parent
PRECISIONS = ("float32", "bf16")


def main() -> None:
    """Train, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, nargs="+", default=[Path("demo/params.yaml")])
    parser.add_argument("--archs", nargs="+", help="default: train.archs")
    parser.add_argument("--corruptions", nargs="+", default=["none", "labels-1.0"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/precision.md"))
    arguments = parser.parse_args()
    archs = arguments.archs or config.load(*arguments.params).train.archs

    lines = [
        "| architecture | data | precision | train accuracy | test accuracy | test accuracies | epochs to fit |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, arguments.params, arguments.corruptions)
        for arch, corruption, precision in itertools.product(archs, arguments.corruptions, PRECISIONS):
            runs = [trained(folder, arguments.params, arch, corruption, precision, seed) for seed in arguments.seeds]
            lines.append(row(arch, corruption, precision, runs))
            print(lines[-1], flush=True)
            write_text(arguments.out, "\n".join(lines) + "\n")


def prepare(folder: Path, params: list[Path], corruptions: list[str]) -> None:
    """Fetch the data and corrupt it."""
    run_stage("fetch", "--params", *params, "--out", folder / "raw")
    for corruption in corruptions:
        options = ("--raw", folder / "raw", "--name", corruption, "--out", folder / corruption)
        run_stage("corrupt", "--params", *params, *options)


def trained(folder: Path, params: list[Path], arch: str, corruption: str, precision: str, seed: int) -> dict[str, Any]:
    """The metrics of one run."""
    own, out = folder / "own.yaml", folder / f"{arch.replace('/', '-')}-{corruption}-{precision}-{seed}"
    document = read_yaml(params[0])
    document["train"] |= {"precision": precision, "live": False}
    document["archs"].setdefault(arch, read_yaml(ROOT / "params.yaml")["archs"].get(arch, {}))
    write_json(own, document)  # which is YAML too
    options = ("--raw", folder / "raw", "--data", folder / corruption, "--out", out)
    run_stage("train", "--params", own, *params[1:], "--arch", arch, "--seed", seed, *options)
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return metrics


def row(arch: str, corruption: str, precision: str, runs: list[dict[str, Any]]) -> str:
    """The means over seeds, the test accuracies they come from, and when each run fitted."""
    train, test = ([run[f"{split}_accuracy"] for run in runs] for split in ("train", "test"))
    each = ", ".join(f"{accuracy:.1%}" for accuracy in test)
    fits = ", ".join(str(run["epochs_to_fit"] or "never") for run in runs)
    means = f"{statistics.mean(train):.2%} | {statistics.mean(test):.1%}"
    return f"| {arch} | {corruption} | {precision} | {means} | {each} | {fits} |"


if __name__ == "__main__":
    main()
