"""Check a fresh result against a reference: data to the byte, trained metrics within the spread over seeds.

`--record` writes the reference instead, from the same files and further summaries of other seeds.
"""

import argparse
from pathlib import Path
from typing import Any

from rethinking.core.errors import DataError, UsageError, run_stage
from rethinking.core.files import read_mapping, write_json
from rethinking.parallel.environment import environment
from rethinking.results.comparison import data_differences, data_hashes, differences, notes
from rethinking.results.summary import merge, read_summary, runs_of

# Where a reference has its summary: that of the demo alone, that of the paper's grid among its other metrics.
SUMMARIES = ("summary.json", "metrics/paper/summary.json")


def main() -> None:
    """Print what differs and exit with 1, or say that nothing does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--summary", type=Path, nargs="+", required=True, help="summary.json; several with --record")
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        help="folders of data sets, searched for meta.json; no others of the reference are asked for",
    )
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--record", action="store_true", help="write the reference from what lies here")
    arguments = parser.parse_args()
    summaries = [read_summary(path) for path in arguments.summary]
    data = data_hashes(arguments.data)
    if arguments.record:
        record(summaries, data, arguments.reference)
        return
    if len(summaries) > 1:
        raise UsageError(f"--summary: found {len(summaries)} files; a check takes one, --record several")
    places = [arguments.reference / name for name in SUMMARIES]
    path = next((place for place in places if place.exists()), places[0])
    reference = read_summary(path)
    expected = within(arguments.data, read_mapping(arguments.reference / "data.json"))
    unknown = [name for name in data if name not in expected]
    if len(unknown) == len(data):
        raise DataError(
            f"{arguments.reference / 'data.json'} has none of {', '.join(unknown)}; nothing can be compared"
        )
    try:
        found = data_differences(data, expected) + differences(summaries[0], reference)
    except ValueError as error:
        raise DataError(f"{path}: {error}; nothing can be compared") from None
    for name in unknown:
        print(f"note: {name}: not in the reference, so not compared")
    for sentence in notes(summaries[0], reference):
        print(f"note: {sentence}")
    for sentence in found:
        print(f"differs: {sentence}")
    if found:
        raise DataError(f"{len(found)} differences from {arguments.reference}")
    known = dict(runs_of(reference))
    runs = sum(path in known for path, _ in runs_of(summaries[0]))
    print(
        f"agrees with {arguments.reference}: {len(data) - len(unknown)} data sets to the byte, {runs} runs within the "
        "spread over seeds"
    )


def record(summaries: list[Any], data: dict[str, Any], out: Path) -> None:
    """Write summary.json with all seeds, data.json, and environment.json: on what it was measured."""
    merged: dict[str, Any] = {}
    for summary in summaries:
        merge(merged, summary)
    write_json(out / "summary.json", merged)
    write_json(out / "data.json", data)
    write_json(out / "environment.json", environment())


def within(folders: list[Path], expected: dict[str, Any]) -> dict[str, Any]:
    """The data sets of a reference that lie in these folders: a check asks for no others."""
    return {name: files for name, files in expected.items() if any(Path(name).is_relative_to(f) for f in folders)}


if __name__ == "__main__":
    run_stage(main)
