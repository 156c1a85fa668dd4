"""Stage collect_theory: what Git keeps of the theory stages on one data set (paper, sections 4 and 5)."""

from typing import Any

import pandas as pd

from rethinking.core.arguments import path_parser
from rethinking.core.errors import run_stage
from rethinking.core.files import read_json, read_sealed, write_json
from rethinking.core.tables import read_table, write_table
from rethinking.theory.common.config import load_theory

# The tables of each part, with the first column of each: the header of a table whose part has not run.
TABLES = {
    "expressivity": {"conditioning": "points"},
    "minimum_norm": {"distances": "run", "interpolants": "norm", "random_signs": "features"},
}


def main() -> None:
    """Write summary.json, and the tables that the figures are drawn from, of what has run so far."""
    arguments = path_parser(__doc__, "params", "runs", "out").parse_args()
    kernels = load_theory(*arguments.params).kernel

    summary: dict[str, Any] = {}
    tables: dict[str, pd.DataFrame] = {}
    for name, columns in TABLES.items():
        folder = arguments.runs / name
        if folder.exists():
            read_sealed(folder)
            summary[name] = read_json(folder / "result.json")
        for table, column in columns.items():
            empty = pd.DataFrame(columns=[column])
            tables[table] = read_table(folder / f"{table}.csv") if folder.exists() else empty
    summary["kernel"], searches = {}, [pd.DataFrame(columns=["features"])]
    for name, kernel in kernels.items():
        folder = arguments.runs / "kernel" / name
        if folder.exists():
            read_sealed(folder)
            filters = {"filters": kernel.random_patches.filters} if kernel.random_patches else {}
            results = read_json(folder / "result.json")
            summary["kernel"][name] = {key_of(result): result | filters for result in results}
            searches.append(read_table(folder / "search.csv"))
            searches[-1].insert(0, "features", name)
    tables["search"] = pd.concat(searches)
    write_json(arguments.out / "summary.json", summary)
    for table, rows in tables.items():
        write_table(arguments.out / f"{table}.csv", rows)


def key_of(result: dict[str, Any]) -> str:
    """`true_labels`, `random_labels`, or `true_labels_l2` with a penalty, of whatever size."""
    return f"{result['labels']}_labels{'_l2' if result['ridge'] else ''}"


if __name__ == "__main__":
    run_stage(main)
