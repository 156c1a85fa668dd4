"""Check a fresh result against a reference: data to the byte, trained metrics within the spread over its runs."""

from pathlib import Path
from typing import Any

import pandas as pd

from rethinking.core.arguments import path_parser
from rethinking.core.errors import DataError, run_stage
from rethinking.core.files import read_mapping
from rethinking.results.comparison import data_differences, data_hashes, differences, notes, runs_in_common
from rethinking.results.runs import read_runs

# Where a reference has its runs: that of the demo alone, that of the paper's grid among its other metrics.
RUNS = ("runs.csv", "metrics/cifar10/runs.csv")


def main() -> None:
    """Print what differs and exit with 1, or say that nothing does."""
    parser = path_parser(__doc__, "runs")
    parser.add_argument(
        "--reference",
        type=Path,
        nargs="+",
        required=True,
        help="a folder, perhaps with others that hold the same runs by other instruction sets",
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        help="folders of data sets, searched for meta.json; no others of the reference are asked for",
    )
    arguments = parser.parse_args()
    fresh, data = read_runs(arguments.runs), data_hashes(arguments.data)
    folders, named = arguments.reference, " and ".join(map(str, arguments.reference))
    reference = pd.concat([read_runs(runs_file(folder)) for folder in folders], ignore_index=True)
    expected = within(arguments.data, read_mapping(folders[0] / "data.json"))
    unknown = [name for name in data if name not in expected]
    if len(unknown) == len(data):
        raise DataError(f"{folders[0] / 'data.json'} has none of {', '.join(unknown)}; nothing can be compared")
    try:
        found = data_differences(data, expected) + differences(fresh, reference)
    except ValueError as error:
        raise DataError(f"{named}: {error}; nothing can be compared") from None
    for sentence in [*(f"{name}: not in the reference, so not compared" for name in unknown), *notes(fresh, reference)]:
        print(f"note: {sentence}")
    for sentence in found:
        print(f"differs: {sentence}")
    if found:
        raise DataError(f"{len(found)} differences from {named}")
    print(
        f"agrees with {named}: {len(data) - len(unknown)} data sets to the byte, "
        f"{runs_in_common(fresh, reference)} runs within the spread of theirs"
    )


def runs_file(folder: Path) -> Path:
    """Where a reference has its runs."""
    return next((folder / name for name in RUNS if (folder / name).exists()), folder / RUNS[0])


def within(folders: list[Path], expected: dict[str, Any]) -> dict[str, Any]:
    """The data sets of a reference that lie in these folders: a check asks for no others."""
    return {name: files for name, files in expected.items() if any(Path(name).is_relative_to(f) for f in folders)}


if __name__ == "__main__":
    run_stage(main)
