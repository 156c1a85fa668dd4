"""Stage collect_theory: what Git keeps of the theory stages on one data set (paper, sections 4 and 5)."""

import argparse
from pathlib import Path
from typing import Any

from stages import config_theory
from stages.errors import run_stage
from stages.files import read_csv, read_json, write_csv, write_json

TABLES = {"expressivity": ["conditioning"], "minimum_norm": ["distances", "interpolants", "random_signs"]}


def main() -> None:
    """Write summary.json, and the tables that the figures are drawn from."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    kernels = config_theory.load_theory(arguments.params).kernel

    summary: dict[str, Any] = {name: read_json(arguments.runs / name / "result.json") for name in TABLES}
    summary["kernel"] = {}
    trials = []
    for name in kernels:
        folder = arguments.runs / "kernel" / name
        results = read_json(folder / "result.json")
        summary["kernel"][name] = {key_of(result): result for result in results}
        trials += [{"features": name, **row} for row in read_csv(folder / "search.csv")]
    write_json(arguments.out / "summary.json", summary)
    write_csv(arguments.out / "search.csv", trials)
    for name, tables in TABLES.items():
        for table in tables:
            write_csv(arguments.out / f"{table}.csv", read_csv(arguments.runs / name / f"{table}.csv"))


def key_of(result: dict[str, Any]) -> str:
    """`true_labels`, `random_labels`, or `true_labels_l2` with a penalty, of whatever size."""
    return f"{result['labels']}_labels{'_l2' if result['ridge'] else ''}"


if __name__ == "__main__":
    run_stage(main)
