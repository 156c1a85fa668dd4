"""A fresh result against a reference: data to the byte, what was asked for to the letter, what was trained within the
spread over seeds that the reference itself holds. Another arithmetic, and what the reference lacks, is only said.

Another machine rounds otherwise, and training amplifies that until a run differs like one of another seed. A trained
metric therefore agrees when it lies within `SPREADS` standard deviations of the difference of two seeds, pooled over
all runs of the reference that have several. Steps, epochs and losses are compared as ratios, accuracies as differences.
What was never reached is compared as if it had been at the end of the run: later is all that is known.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rethinking.core.arrays import array_hashes
from rethinking.core.errors import DataError
from rethinking.core.files import read_sealed
from rethinking.results.summary import Metrics, runs_of

# Of a normal distribution, one difference in a thousand lies beyond.
SPREADS = 3.3
EXACT = "arch dataset corruption seed parameters train_size epochs steps diverged".split()
# What may never be reached, and the key that holds the end of the run.
ENDS = {"epochs_to_fit": "epochs", "steps_to_loss_0_1": "steps", "steps_to_loss_0_01": "steps"}
RATIOS = (*ENDS, "train_loss", "test_loss")
ACCURACIES = (
    "train_accuracy",
    "test_accuracy",
    "best_test_accuracy",
    "clean_subset_accuracy",
    "corrupted_subset_accuracy",
    "recovered_true_accuracy",
)
# A spread of zero, as where every seed fits every image, still allows an accuracy half a point and the rest 5 per cent.
LEAST_ACCURACY, LEAST_RATIO = 0.005, math.log(1.05)


def tolerances(summary: Mapping[str, Any]) -> dict[str, float]:
    """For each trained metric the allowed difference, or logarithm of the ratio, of two runs.

    Raises ValueError where no run has several seeds.
    """
    groups: dict[str, list[Metrics]] = {}
    for path, run in runs_of(summary):
        groups.setdefault(path.rpartition("/")[0], []).append(run)
    repeated = [runs for runs in groups.values() if len(runs) > 1]
    if not repeated:
        raise ValueError("no run has several seeds")
    allowed = {}
    for name in (*ACCURACIES, *RATIOS):
        samples = [[_scaled(name, run[name]) for run in runs if run.get(name) is not None] for runs in repeated]
        least = LEAST_ACCURACY if name in ACCURACIES else LEAST_RATIO
        allowed[name] = max(least, SPREADS * math.sqrt(2) * _pooled_deviation(samples))
    return allowed


def _scaled(name: str, value: float) -> float:
    return math.log(max(value, 1e-12)) if name in RATIOS else value


def _pooled_deviation(samples: list[list[float]]) -> float:
    """The standard deviation within samples, pooled over those of two values or more."""
    squares, freedom = 0.0, 0
    for values in samples:
        if len(values) > 1:
            mean = math.fsum(values) / len(values)
            squares += math.fsum((value - mean) ** 2 for value in values)
            freedom += len(values) - 1
    return math.sqrt(squares / freedom) if freedom else 0.0


def differences(fresh: Mapping[str, Any], reference: Mapping[str, Any]) -> list[str]:
    """One sentence for every metric of the runs of both that the reference does not bear out.

    Runs of the reference that are not in `fresh`, such as other seeds, are not asked for. Raises ValueError where there
    is nothing to compare.
    """
    allowed = tolerances(reference)
    known = dict(runs_of(reference))
    compared = [(path, run, known[path]) for path, run in runs_of(fresh) if path in known]
    if not compared:
        raise ValueError("it has none of these runs")
    found = []
    for path, run, expected in compared:
        found += [
            f"{path}: {key} is {run.get(key)}, expected {expected[key]}"
            for key in EXACT
            if _differs(key, run, expected)
        ]
        for name, tolerance in allowed.items():
            a, b = (_at_last(name, one) for one in (run, expected))
            if a is None and b is None:
                continue
            if a is None or b is None or abs(_scaled(name, a) - _scaled(name, b)) > tolerance:
                spread = f"a factor of {math.exp(tolerance):.2f}" if name in RATIOS else f"{tolerance:.4f}"
                found.append(f"{path}: {name} is {run.get(name)}, expected {expected.get(name)} within {spread}")
    return found


def notes(fresh: Mapping[str, Any], reference: Mapping[str, Any]) -> list[str]:
    """One sentence for every run that the reference cannot judge, or made in another arithmetic."""
    known = dict(runs_of(reference))
    said = []
    for path, run in runs_of(fresh):
        if path not in known:
            said.append(f"{path}: not in the reference, so not compared")
        elif _differs("precision", run, known[path]):
            said.append(f"{path}: in {run.get('precision')}, the reference in {known[path]['precision']}")
    return said


def _at_last(name: str, run: Metrics) -> float | None:
    """A metric, or the end of the run where it was never reached."""
    value = run.get(name)
    return run.get(ENDS[name]) if value is None and name in ENDS else value


def _differs(key: str, run: Metrics, expected: Metrics) -> bool:
    return key in expected and run.get(key) != expected[key]


def data_hashes(folders: Iterable[Path]) -> dict[str, dict[str, str]]:
    """The SHA-256 of every array below the folders, by data set and file, checked against its bytes.

    Raises DataError where a file is damaged or there is none.
    """
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("meta.json")):
            found[path.parent.as_posix()] = array_hashes(read_sealed(path.parent))
    if not found:
        raise DataError(f"no data set below {', '.join(map(str, folders))}; run `dvc repro` or `dvc checkout` first")
    return found


def data_differences(fresh: Mapping[str, Any], reference: Mapping[str, Any]) -> list[str]:
    """One sentence for every array whose SHA-256 is not the reference's; both map data sets to files to hashes.

    Data sets that the reference lacks are not looked at.
    """
    found = []
    for name, files in reference.items():
        if name not in fresh:
            found.append(f"{name}: not made")
            continue
        for file in sorted(files.keys() | fresh[name].keys()):
            if files.get(file) != fresh[name].get(file):
                found.append(f"{name}/{file}: its bytes are not the reference's")
    return found
