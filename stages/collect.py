"""Stage collect: the metrics and curves of every run of a grid that has run so far, and the audits of its data."""

import argparse
from pathlib import Path
from typing import Any

from stages import config
from stages.collection import forget_checkpoint, insert, read_run, table
from stages.config import Parameters, PlannedRun
from stages.errors import DataError, run_stage
from stages.files import read_csv, read_json, write_csv, write_json, write_text


def main() -> None:
    """Write summary.json, curves.csv, steps.csv, audits.json and table.md, which lists what has not run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, nargs="+", required=True)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the grid's corrupted sets")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    parameters = config.load(*arguments.params)

    summary: dict[str, Any] = {}
    tables: dict[str, list[dict[str, Any]]] = {"curves": [], "steps": []}
    collected = {}
    for run in parameters.planned_runs():
        folder = arguments.runs / run.name
        if not folder.exists():
            continue
        metrics = read_run(folder)
        require_planned(parameters, run, metrics, folder)
        collected[run] = metrics
        insert(summary, run, metrics)
        for name, rows in tables.items():
            rows += [{"run": run.name, **row} for row in read_csv(folder / f"{name}.csv")]
        forget_checkpoint(folder)
    audits = {path.parent.name: read_json(path) for path in sorted(arguments.data.glob("*/audit.json"))}
    write_json(arguments.out / "summary.json", summary)
    write_json(arguments.out / "audits.json", audits)
    for name, rows in tables.items():
        write_csv(arguments.out / f"{name}.csv", rows)
    text = table(parameters, collected)
    write_text(arguments.out / "table.md", text)
    print(text, end="")


def require_planned(parameters: Parameters, run: PlannedRun, metrics: dict[str, Any], folder: Path) -> None:
    """Raise DataError where a folder holds another run than its name says."""
    corruption = parameters.corruption(run.corruption)
    planned = (run.arch, run.seed, corruption.kind, corruption.level)
    found = (metrics["arch"], metrics["seed"], metrics["corruption"]["kind"], metrics["corruption"]["level"])
    if found != planned:
        raise DataError(f"{folder}/metrics.json is of {found}; expected {planned}; run `dvc repro` to make it again")


if __name__ == "__main__":
    run_stage(main)
