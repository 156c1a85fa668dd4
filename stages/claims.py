"""Stage claims: the paper's claims judged on the results collected so far; prints them as a table."""

import argparse
from pathlib import Path
from typing import Any

from stages.errors import DataError, UsageError, run_stage
from stages.files import read_json, write_json, write_text
from stages.paper.claims import load_claims
from stages.paper.verdicts import Results, judge, table

PIPELINES = ("paper", "cifar100", "mnist")
THEORY = ("digits", "mnist", "cifar10")


def main() -> None:
    """Write claims.json and claims.md where a folder is given; print the table in any case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=Path, default=Path("paper/claims.yaml"))
    parser.add_argument("--metrics", type=Path, default=Path("metrics"))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    claims = load_claims(arguments.claims)
    results = read_results(arguments.metrics)
    verdicts = [judge(claims, claim, results) for claim in claims.claims]
    text = table(verdicts)
    if arguments.out:
        write_json(arguments.out / "claims.json", verdicts)
        write_text(arguments.out / "claims.md", text)
    print(text, end="")


def read_results(folder: Path) -> Results:
    """The summaries of the pipelines that have run, with the audits of their corruptions, and the parameter counts."""
    if not folder.is_dir():
        raise UsageError(f"--metrics: no such folder '{folder}'")
    grids = {
        name: _read(folder / name / "summary.json") | {"audits": _read(folder / name / "audits.json")}
        for name in PIPELINES
    }
    theory = {name: _read(folder / "theory" / name / "summary.json") for name in THEORY}
    return Results({**grids, "theory": theory, "parameters": _read(folder / "parameters.json")})


def _read(path: Path) -> dict[str, Any]:
    """What a file holds; nothing where there is none."""
    if not path.exists():
        return {}
    try:
        content = read_json(path)
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); run `dvc repro paper/dvc.yaml`") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} holds {type(content).__name__}; expected a mapping; run `dvc repro paper/dvc.yaml`")
    return content


if __name__ == "__main__":
    run_stage(main)
