"""Stage claims: the paper's claims judged on the results collected so far; prints them as a table."""

from pathlib import Path
from typing import Any

from rethinking.core.arguments import path_parser
from rethinking.core.errors import UsageError, run_stage
from rethinking.core.files import read_mapping, write_json, write_text
from rethinking.paper.claims import load_claims
from rethinking.paper.names import GRIDS, THEORY
from rethinking.paper.verdicts import Results, judge, table
from rethinking.results.runs import load_runs


def main() -> None:
    """Write claims.json and claims.md where a folder is given; print the table in any case."""
    parser = path_parser(__doc__, claims="paper/claims.yaml", metrics="metrics")
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--small", action="store_true", help="of the grid in small: the claims that hold at any size alone"
    )
    arguments = parser.parse_args()
    claims = load_claims(arguments.claims)
    results = read_results(arguments.metrics)
    verdicts = [judge(claims, claim, results) for claim in claims.claims if claim.in_small or not arguments.small]
    text = table(verdicts)
    if arguments.out:
        write_json(arguments.out / "claims.json", verdicts)
        write_text(arguments.out / "claims.md", text)
    print(text, end="")


def read_results(folder: Path) -> Results:
    """The grids' runs and audits, the theory and the parameter counts, as far as they have run."""
    if not folder.is_dir():
        raise UsageError(f"--metrics: no such folder '{folder}'")

    def found(path: Path) -> dict[str, Any]:
        return read_mapping(folder / path) if (folder / path).exists() else {}

    theory = {name: found(Path("theory", name, "summary.json")) for name in THEORY}
    audits = {grid: found(Path(grid, "audits.json")) for grid in GRIDS}
    counts = found(Path("parameters.json"))
    return Results({grid: load_runs(folder / grid) for grid in GRIDS}, audits, theory, counts)


if __name__ == "__main__":
    run_stage(main)
