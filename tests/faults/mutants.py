"""Break the project in one place at a time and show that its tests notice: `make mutants` prints the table.

A mutant is a mistake that a reproduction could make, mostly one that some has made. Each is applied to a copy of the
project, in which the tests that should catch it are run; a mutant that they let pass is an error.
"""

import argparse
import ast
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
    """A mistake: a file, a function in it (`name` or `Class.name`), what is replaced there by what, and the tests due.

    What is replaced is an expression that stands once in the syntax tree of the function: layout, comments and the rest
    of the function may change. The tests must not pass.
    """

    file: str
    mistake: str
    function: str
    old: str
    new: str
    tests: str


CORRUPTIONS = "tests/corruptions/test_corruptions.py"
AUDITS = "tests/corruptions/test_audits.py"
LOOP = "tests/training/test_loop.py"
EVALUATION = "tests/training/test_evaluation.py"
PREPROCESSING = "tests/training/test_preprocessing.py"
INDEX = "tests/imagenet/test_index.py"
STEP = "tests/imagenet/test_step.py"
CLAIMS = "tests/paper/test_claims.py"
MISTAKES = {
    "rethinking/corruptions/labels.py": [
        ("labels are never corrupted", "redraw", "np.where(threshold < level, drawn, labels)", "labels", CORRUPTIONS),
        ("classes are renamed instead of redrawn", "redraw", "drawn", "(labels + 1) % classes", CORRUPTIONS),
        ("test labels are corrupted too", "corrupt", "request.test_labels", "True", CORRUPTIONS),
        ("the audit of the labels accepts any share", "_judge", "low <= share <= high", "True", AUDITS),
        ("the audit of the labels does not ask for independence", "_judge", "p_value > FALSE_ALARM", "True", AUDITS),
    ],
    "rethinking/corruptions/shuffled_pixels.py": [
        ("shuffled pixels are not shuffled", "corrupt", "values.take(order, axis=1)", "values", CORRUPTIONS),
    ],
    "rethinking/corruptions/random_pixels.py": [
        ("random pixels share one permutation", "permute", "random.permuted", "random.permutation", CORRUPTIONS),
    ],
    "rethinking/corruptions/gaussian.py": [
        (
            "gaussian pixels are clipped to those of images",
            "draw",
            "values",
            "values.clip(0, 255)",
            "tests/corruptions/test_audits_of_pixels.py tests/corruptions/test_corruptions.py",
        ),
    ],
    "rethinking/core/streams.py": [
        ("two purposes draw the same bits", "generator", "stream.value", "0", "tests/core/test_streams.py"),
    ],
    "rethinking/training/preprocessing.py": [
        ("pixels are divided by 255 twice", "standardise", "images.float()", "images.float() / 255", PREPROCESSING),
    ],
    "rethinking/core/crop.py": [
        ("the crop is the corner", "centre_crop", "(images.shape[1] - size) // 2", "0", PREPROCESSING),
    ],
    "rethinking/training/augmentation.py": [
        (
            "all images of a batch are cropped alike",
            "Augmentation._crop",
            "_offsets(height - self.size + 1, count, generator)",
            "_offsets(height - self.size + 1, 1, generator).expand(count, 1)",
            "tests/training/test_augmentation.py",
        ),
    ],
    "rethinking/training/evaluation.py": [
        ("the network is evaluated in training mode", "predict", "model.eval", "model.train", EVALUATION),
        (
            "train accuracy is measured on the true labels",
            "scores",
            "fits_given.mean()",
            "fits_true.mean()",
            EVALUATION,
        ),
    ],
    "rethinking/training/step.py": [
        (
            "every epoch has the same order",
            "TrainingStep.begin_epoch",
            "stream_seed(seed, Stream.ORDER, epoch)",
            "stream_seed(seed, Stream.ORDER, 0)",
            LOOP,
        ),
        (
            "the seed does not reach the order",
            "TrainingStep.begin_epoch",
            "stream_seed(seed, Stream.ORDER, epoch)",
            "stream_seed(0, Stream.ORDER, epoch)",
            LOOP,
        ),
        (
            "augmentation draws from the order's stream",
            "TrainingStep.begin_epoch",
            "stream_seed(seed, Stream.AUGMENTATION, epoch)",
            "seed",
            LOOP,
        ),
        (
            "a checkpoint forgets the momentum",
            "TrainingStep.tensors",
            "(yield f'momentum.{name}', tensor)",
            "None",
            LOOP,
        ),
    ],
    "rethinking/training/recipe.py": [
        ("the learning rate never falls", "Recipe.lr_at", "self.lr_decay**drops", "1", LOOP),
        ("the learning rate falls an epoch early", "Recipe.lr_at", "epoch - 1", "epoch", LOOP),
    ],
    "rethinking/training/loop.py": [
        ("a run that diverged goes on", "diverged", "math.isfinite(loss)", "True", LOOP),
        (
            "the best test epoch is reported as the final one",
            "summarise",
            "outcome.rows[-1]",
            "max(outcome.rows, key=lambda row: row['test_accuracy'])",
            LOOP,
        ),
    ],
    "rethinking/imagenet/scan.py": [
        (
            "an archive of any bytes is the official one",
            "_official",
            "(found := file.md5.hexdigest()) != md5",
            "False",
            INDEX,
        ),
    ],
    "rethinking/imagenet/common/index.py": [
        (
            "an image is read that changed since",
            "Split.image",
            "hashlib.sha256(content).digest() != record['sha256'].tobytes()",
            "False",
            INDEX,
        ),
    ],
    "rethinking/imagenet/training/step.py": [
        ("shifts and biases decay, too", "GroupStep.__init__", "each.ndim > 1", "True", STEP),
        ("the averaged weights are the last ones", "GroupStep._update", "1 - decay", "1.0", STEP),
        ("every group moves the running statistics", "GroupStep._backward", "group == 0", "True", STEP),
        ("the rate does not warm up", "GroupStep.rate_at", "warm_up", "1", STEP),
    ],
    "rethinking/models/alexnet.py": [
        ("AlexNet has another window of normalisation", "ResponseNorm.__init__", "4", "2", "tests/models"),
    ],
    "stages/evaluate.py": [
        (
            "a tampered metric passes the evaluation",
            "measure",
            "abs((recorded or 0.0) - (value or 0.0)) > remeasured_tolerance(images)",
            "False",
            "tests/stages/test_evaluate.py",
        ),
    ],
    "rethinking/training/run_key.py": [
        (
            "the code is no part of what identifies a run",
            "run_key",
            "code_hashes(arch)",
            "None",
            "tests/training/test_run_key.py",
        ),
    ],
    "rethinking/paper/verdicts.py": [
        (
            "random labels that generalise reproduce the claim",
            "_near",
            "abs(ours - paper) <= allowed + 1e-12",
            "True",
            CLAIMS,
        ),
        ("a run on a part of the data counts for the whole", "judge", "whole", "True", CLAIMS),
    ],
    "rethinking/results/comparison.py": [
        (
            "the reproduction check overlooks the seed of the corruption",
            "_differences_of_run",
            "EXACT",
            "[key for key in EXACT if key != 'corruption_seed']",
            "tests/tools/test_check.py",
        ),
    ],
}
MUTANTS = [Mutant(file, *mistake) for file, mistakes in MISTAKES.items() for mistake in mistakes]


class _Replacement(ast.NodeTransformer):
    """Puts one expression for every one that is equal to another."""

    def __init__(self, old: ast.expr, new: ast.expr):
        self.old, self.new, self.count = ast.dump(old), new, 0

    def visit(self, node: ast.AST) -> ast.AST:
        if ast.dump(node) != self.old:
            return self.generic_visit(node)
        self.count += 1
        return self.new


def mutated(source: str, function: str, old: str, new: str) -> str:
    """A module's source with one expression of a function (`name` or `Class.name`) replaced.

    Raises ValueError where the module has no such function, or the function not exactly one such expression.
    """
    tree = node = ast.parse(source)
    for name in function.split("."):
        named = [each for each in node.body if getattr(each, "name", None) == name]
        if len(named) != 1:
            raise ValueError(f"{function}: found {len(named)} definitions of {name}")
        (node,) = named
    replacement = _Replacement(*(ast.parse(text, mode="eval").body for text in (old, new)))
    replacement.visit(node)
    if replacement.count != 1:
        raise ValueError(f"{function}: found {replacement.count} times: {old}")
    return ast.unparse(ast.fix_missing_locations(tree))


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


def mutate(project: Path, mutant: Mutant) -> None:
    """Put the mutant into the project."""
    path = project / mutant.file
    path.write_text(mutated(path.read_text(), mutant.function, mutant.old, mutant.new))


def caught_by(mutant: Mutant) -> str | None:
    """The first test that fails in a copy of the project with the mutant in it, or None."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(
            ROOT, copy, ignore=shutil.ignore_patterns(".*", "data", "runs", "checkpoints", "live", "downloads")
        )
        mutate(copy, mutant)
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
