"""A fresh result against a reference: data to the byte, what was asked for to the letter, what was trained within the
spread that the reference itself holds. Another arithmetic, and what the reference lacks, is only said.

Another machine rounds otherwise, and training amplifies that until a run differs like one of another seed. A trained
metric therefore agrees when it lies in the interval in which one more run is expected: around the mean of the
reference's runs of its name and seed, one for each instruction set, by the standard deviation over seeds and sets of
instructions, pooled over all names that have several runs, and Student's t for as few as there are. Steps, epochs and
losses are compared as ratios, accuracies as differences. What was never reached is compared as if it had been at the
end of the run: later is all that is known.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from rethinking.core.arrays import array_hashes
from rethinking.core.errors import DataError
from rethinking.core.files import read_sealed
from rethinking.core.run_name import RunName
from rethinking.core.tables import records

# How often an honest run lies beyond, for each metric.
FALSE_ALARM = 1e-3
EXACT = "arch dataset kind level corruption_seed parameters train_size epochs steps diverged".split()
# What may never be reached, and the key that holds the end of the run.
ENDS = {"epochs_to_fit": "epochs", "steps_to_loss_0_1": "steps", "steps_to_loss_0_01": "steps"}
RATIOS = [*ENDS, "train_loss", "test_loss"]
ACCURACIES = (
    "train_accuracy test_accuracy best_test_accuracy clean_subset_accuracy corrupted_subset_accuracy "
    "recovered_true_accuracy"
).split()
# A spread of zero, as where every seed fits every image, still allows an accuracy half a point and the rest 5 per cent.
LEAST_ACCURACY, LEAST_RATIO = 0.005, math.log(1.05)


def tolerances(runs: pd.DataFrame, known: int) -> dict[str, float]:
    """For each trained metric the allowed difference, or logarithm of the ratio, of a run and the mean of `known`.

    Raises ValueError where no name has several runs.
    """
    names = runs["run"].map(lambda name: RunName.parse(name).without_seed)
    if not names.duplicated().any():
        raise ValueError("no run has several seeds")
    scaled = _scaled(runs).groupby(names)
    freedom = (scaled.count() - 1).clip(lower=0).sum()
    squares = (scaled.var() * (scaled.count() - 1)).sum()
    spreads = (special.stdtrit(freedom, 1 - FALSE_ALARM / 2) * np.sqrt(squares / freedom)).fillna(0)
    least = {name: LEAST_ACCURACY if name in ACCURACIES else LEAST_RATIO for name in (*ACCURACIES, *RATIOS)}
    return {name: max(bound, math.sqrt(1 + 1 / known) * spreads[name]) for name, bound in least.items()}


def _scaled(runs: pd.DataFrame) -> pd.DataFrame:
    """The trained metrics of a table of runs on the scales on which they are compared, the end of a run for what it
    never reached."""
    metrics = runs.reindex(columns=[*ACCURACIES, *RATIOS]).astype(float)
    for name, end in ENDS.items():
        metrics[name] = metrics[name].fillna(runs[end].astype(float))
    metrics[RATIOS] = np.log(metrics[RATIOS].clip(lower=1e-12))
    return metrics


def differences(fresh: pd.DataFrame, reference: pd.DataFrame) -> list[str]:
    """One sentence for every metric of the runs of both that the reference does not bear out.

    Runs of the reference that are not in `fresh`, such as other seeds, are not asked for. Raises ValueError where there
    is nothing to compare.
    """
    labels, known = _labels(reference), _by_label(reference)
    compared = [(label, run) for label, run in _by_label(fresh).items() if label in known]
    if not compared:
        raise ValueError("it has none of these runs")
    found: list[str] = []
    for label, run in compared:
        same = reference[labels == label]
        found += _differences_of_run(label, run, known[label], same, tolerances(reference, len(same)))
    return found


def _differences_of_run(
    label: str, run: Mapping[str, Any], expected: Mapping[str, Any], same: pd.DataFrame, allowed: Mapping[str, float]
) -> Iterator[str]:
    for key in EXACT:
        if _differs(key, run, expected):
            yield f"{label}: {key} is {run.get(key)}, expected {expected[key]}"
    ours, means = _scaled(pd.DataFrame([run])).iloc[0], _scaled(same).mean()
    for name, tolerance in allowed.items():
        if np.isnan(ours[name]) and np.isnan(means[name]) or abs(ours[name] - means[name]) <= tolerance:
            continue
        mean = math.exp(means[name]) if name in RATIOS else means[name]
        spread = f"a factor of {math.exp(tolerance):.2f}" if name in RATIOS else f"{tolerance:.4f}"
        yield f"{label}: {name} is {run.get(name)}, expected {mean:.4g} within {spread}"


def notes(fresh: pd.DataFrame, reference: pd.DataFrame) -> list[str]:
    """One sentence for every run that the reference cannot judge, or made in another arithmetic."""
    known = _by_label(reference)
    said = []
    for label, run in _by_label(fresh).items():
        if label not in known:
            said.append(f"{label}: not in the reference, so not compared")
        elif _differs("precision", run, known[label]):
            said.append(f"{label}: in {run.get('precision')}, the reference in {known[label]['precision']}")
    return said


def _by_label(runs: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return dict(zip(_labels(runs), records(runs), strict=True))


def _labels(runs: pd.DataFrame) -> pd.Series:
    """Each run's name and seed, such as `alexnet-none, seed 0`."""
    return runs["run"].map(lambda name: RunName.parse(name).without_seed) + ", seed " + runs["seed"].astype(str)


def runs_in_common(fresh: pd.DataFrame, reference: pd.DataFrame) -> int:
    """How many runs, by name and seed, stand in both tables."""
    return len(_by_label(fresh).keys() & _by_label(reference).keys())


def _differs(key: str, run: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    return expected.get(key) is not None and run.get(key) != expected[key]


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
