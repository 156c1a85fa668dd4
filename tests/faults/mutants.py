"""Break the project one line at a time and show that its tests catch every break: `make mutants` prints the table.

A mutant is a mistake that a reproduction could make, mostly one that some has made. Each is applied to a copy of the
project, in which the tests that should catch it are run; a mutant that they let pass is an error.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Mutant(NamedTuple):
    """A mistake: the file, the text that is replaced by another, and the tests that must not pass."""

    mistake: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS = [
    Mutant(
        "labels are never corrupted",
        "rethinking/corruptions/labels.py",
        "np.where(threshold < level, drawn, labels)",
        "np.where(threshold < level, labels, labels)",
        "tests/corruptions/test_corruptions.py",
    ),
    Mutant(
        "classes are renamed instead of redrawn",
        "rethinking/corruptions/labels.py",
        "np.where(threshold < level, drawn, labels)",
        "np.where(threshold < level, (labels + 1) % classes, labels)",
        "tests/corruptions/test_corruptions.py",
    ),
    Mutant(
        "test labels are corrupted too",
        "rethinking/corruptions/labels.py",
        "    if request.test_labels:\n        random = generator(request.seed, Stream.TEST_LABELS)",
        "    if True:\n        random = generator(request.seed, Stream.TEST_LABELS)",
        "tests/corruptions/test_corruptions.py",
    ),
    Mutant(
        "the audit of the labels accepts any share",
        "rethinking/corruptions/labels.py",
        "ok = low <= share <= high and",
        "ok = True and",
        "tests/corruptions/test_audits.py",
    ),
    Mutant(
        "the audit of the labels does not ask for independence",
        "rethinking/corruptions/labels.py",
        "(p_value is None or p_value > FALSE_ALARM)",
        "True",
        "tests/corruptions/test_audits.py",
    ),
    Mutant(
        "shuffled pixels are not shuffled",
        "rethinking/corruptions/shuffled_pixels.py",
        "as_images(values.take(order, axis=1))",
        "as_images(values)",
        "tests/corruptions/test_corruptions.py",
    ),
    Mutant(
        "random pixels share one permutation",
        "rethinking/corruptions/random_pixels.py",
        "random.permuted(whole_pixels, axis=1)",
        "random.permutation(whole_pixels, axis=1)",
        "tests/corruptions/test_corruptions.py",
    ),
    Mutant(
        "gaussian pixels are clipped to those of images",
        "rethinking/corruptions/gaussian.py",
        "block[...] = values",
        "block[...] = values.clip(0, 255)",
        "tests/corruptions/test_audits_of_pixels.py tests/corruptions/test_corruptions.py",
    ),
    Mutant(
        "two purposes draw the same bits",
        "rethinking/core/streams.py",
        "np.random.default_rng([seed, stream.value, block])",
        "np.random.default_rng([seed, 0, block])",
        "tests/core/test_streams.py",
    ),
    Mutant(
        "pixels are divided by 255 twice",
        "rethinking/training/preprocessing.py",
        "scaled = images.float() / 255",
        "scaled = images.float() / 255 / 255",
        "tests/training/test_preprocessing.py",
    ),
    Mutant(
        "the crop is the corner",
        "rethinking/core/crop.py",
        "top = (images.shape[1] - size) // 2",
        "top = 0",
        "tests/training/test_preprocessing.py",
    ),
    Mutant(
        "all images of a batch are cropped alike",
        "rethinking/training/augmentation.py",
        "rows = _offsets(height - self.size + 1, count, generator) + steps",
        "rows = _offsets(height - self.size + 1, 1, generator).expand(count, 1) + steps",
        "tests/training/test_augmentation.py",
    ),
    Mutant(
        "the network is evaluated in training mode",
        "rethinking/training/evaluation.py",
        "    model.eval()",
        "    model.train()",
        "tests/training/test_evaluation.py",
    ),
    Mutant(
        "train accuracy is measured on the true labels",
        "rethinking/training/evaluation.py",
        '"train_accuracy": fits_given.mean().item()',
        '"train_accuracy": fits_true.mean().item()',
        "tests/training/test_evaluation.py",
    ),
    Mutant(
        "every epoch has the same order",
        "rethinking/training/step.py",
        "stream_seed(seed, Stream.ORDER, epoch)",
        "stream_seed(seed, Stream.ORDER, 0)",
        "tests/training/test_loop.py",
    ),
    Mutant(
        "the seed does not reach the order",
        "rethinking/training/step.py",
        "stream_seed(seed, Stream.ORDER, epoch)",
        "stream_seed(0, Stream.ORDER, epoch)",
        "tests/training/test_loop.py",
    ),
    Mutant(
        "augmentation draws from the order's stream",
        "rethinking/training/step.py",
        "stream_seed(seed, Stream.AUGMENTATION, epoch)",
        "seed",
        "tests/training/test_loop.py",
    ),
    Mutant(
        "the learning rate never falls",
        "rethinking/training/recipe.py",
        "return self.lr * self.lr_decay**drops",
        "return self.lr",
        "tests/training/test_loop.py",
    ),
    Mutant(
        "the learning rate falls an epoch early",
        "rethinking/training/recipe.py",
        "drops = epoch - 1 if",
        "drops = epoch if",
        "tests/training/test_loop.py",
    ),
    Mutant(
        "a checkpoint forgets the momentum",
        "rethinking/training/step.py",
        'yield f"momentum.{name}", tensor',
        "pass",
        "tests/training/test_loop.py",
    ),
    Mutant(
        "a run that diverged goes on",
        "rethinking/training/loop.py",
        "return not all(math.isfinite(loss) for loss in losses)",
        "return False",
        "tests/training/test_loop.py",
    ),
    Mutant(
        "the best test epoch is reported as the final one",
        "rethinking/training/loop.py",
        "    last = outcome.rows[-1]\n    names",
        '    last = max(outcome.rows, key=lambda row: row["test_accuracy"])\n    names',
        "tests/training/test_loop.py",
    ),
    Mutant(
        "AlexNet has another window of normalisation",
        "rethinking/models/alexnet.py",
        ".abs() <= 4)",
        ".abs() <= 2)",
        "tests/models",
    ),
    Mutant(
        "a tampered metric passes the evaluation",
        "stages/evaluate.py",
        "if name in sizes and abs(",
        "if name in sizes and 0 * abs(",
        "tests/stages/test_evaluate.py",
    ),
    Mutant(
        "the code is no part of what identifies a run",
        "rethinking/training/run_key.py",
        '"code": code_hashes(arch),',
        "",
        "tests/training/test_run_key.py",
    ),
    Mutant(
        "random labels that generalise reproduce the claim",
        "rethinking/paper/verdicts.py",
        "return lambda ours: abs(ours - paper) <= allowed + 1e-12",
        "return lambda ours: True",
        "tests/paper/test_claims.py",
    ),
    Mutant(
        "a run on a part of the data counts for the whole",
        "rethinking/paper/verdicts.py",
        "and (whole or claim.any_size and len(sizes) == 1)",
        "and True",
        "tests/paper/test_claims.py",
    ),
    Mutant(
        "the reproduction check overlooks the seed",
        "rethinking/results/comparison.py",
        "corruption seed parameters",
        "corruption parameters",
        "tests/tools/test_check.py",
    ),
]


def main() -> None:
    """Apply every mutant, or those whose mistake contains a word; print the table; exit with 1 if one survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("word", nargs="?", default="", help="only mutants whose mistake contains it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if arguments.word in mutant.mistake]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        # A test that fails anyway catches nothing.
        for tests, name in pool.map(lambda tests: (tests, first_failure(ROOT, tests)), {each.tests for each in chosen}):
            if name:
                raise RuntimeError(f"{tests}: {name} fails without any mistake")
        caught = list(pool.map(caught_by, chosen))
    print("| mistake | file | caught by |\n| --- | --- | --- |")
    for mutant, test in zip(chosen, caught, strict=True):
        print(f"| {mutant.mistake} | {mutant.file} | {test or '**nothing**'} |")
    missed = caught.count(None)
    print(f"\n{len(chosen) - missed} of {len(chosen)} mistakes caught.")
    sys.exit(1 if missed else 0)


def caught_by(mutant: Mutant) -> str | None:
    """The first test that fails in a copy of the project with the mutant in it, or None."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(
            ROOT, copy, ignore=shutil.ignore_patterns(".*", "data", "runs", "checkpoints", "live", "downloads")
        )
        path = copy / mutant.file
        text = path.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            raise ValueError(f"{mutant.file} has {text.count(mutant.old)} times: {mutant.old}")
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        return first_failure(copy, mutant.tests)


def first_failure(project: Path, tests: str) -> str | None:
    """The first of these tests that fails in the project, or None."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests.split()],
        cwd=project,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode == 1 and (failed := re.search(r"^FAILED (\S+?)(\[| |$)", done.stdout, re.MULTILINE)):
        return failed[1].partition("::")[2]
    if done.returncode == 0:
        return None
    raise RuntimeError(f"{tests} could not run:\n{done.stdout[-2000:]}")


if __name__ == "__main__":
    main()
