"""Stage collect_theory: what Git keeps of the theory stages on one data set (paper, sections 4 and 5)."""

import argparse
from pathlib import Path
from typing import Any

from rethinking.core.errors import run_stage
from rethinking.core.files import read_csv, read_json, read_sealed, write_csv, write_json
from rethinking.theory.common.config import load_theory

TABLES = {"expressivity": ["conditioning"], "minimum_norm": ["distances", "interpolants", "random_signs"]}


def main() -> None:
    """Write summary.json, and the tables that the figures are drawn from, of what has run so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    kernels = load_theory(arguments.params).kernel

    summary: dict[str, Any] = {}
    tables: dict[str, list[dict[str, Any]]] = {"search": []}
    for name, written in TABLES.items():
        folder = arguments.runs / name
        if folder.exists():
            read_sealed(folder)
            summary[name] = read_json(folder / "result.json")
        for table in written:
            tables[table] = read_csv(folder / f"{table}.csv") if folder.exists() else []
    summary["kernel"] = {}
    for name, kernel in kernels.items():
        folder = arguments.runs / "kernel" / name
        if folder.exists():
            read_sealed(folder)
            filters = {"filters": kernel.random_patches.filters} if kernel.random_patches else {}
            results = read_json(folder / "result.json")
            summary["kernel"][name] = {key_of(result): result | filters for result in results}
            tables["search"] += [{"features": name, **row} for row in read_csv(folder / "search.csv")]
    write_json(arguments.out / "summary.json", summary)
    for table, rows in tables.items():
        write_csv(arguments.out / f"{table}.csv", rows)


def key_of(result: dict[str, Any]) -> str:
    """`true_labels`, `random_labels`, or `true_labels_l2` with a penalty, of whatever size."""
    return f"{result['labels']}_labels{'_l2' if result['ridge'] else ''}"


if __name__ == "__main__":
    run_stage(main)
