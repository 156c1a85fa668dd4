"""Disturb the demo pipeline in every way that happens and show that no wrong result comes out: `make torture`.

Each fault strikes a copy of the project at moments drawn from the seed; then `dvc repro` runs again, after the recovery
command that the error message names, if there is one. Every byte of every output must then be that of an undisturbed
run, no epoch that was in a checkpoint may have been trained again, and no process may be left. The copy runs the demo
cut down to half a minute (tests/faults/disturbed.py).
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.faults.disturbed import (
    LOCK,
    PARAMETERS,
    PATIENCE,
    RESULTS,
    Disturbed,
    commands_in,
    cut_short,
    files,
    flip_a_bit,
    sentences,
    sleep_while_running,
    small_project,
    wait_for_stage,
)
from tests.faults.mutants import Mutant, mutate
from tests.faults.tables import quoted

# What DVC's own messages leave unsaid (docs/many-runs.md).
RECOVERIES = {
    "dvc.lock": f"rm {LOCK}",
    "rwlock": "rm .dvc/tmp/rwlock",
    "cache": f"{sys.executable} -m tools.verify",
}
MOST_RECOVERIES = 4

OTHER_PARAMETERS = {
    "dataset.seed": 1,
    "corrupt.seed": 1,
    "train.seed": 1,
    "archs.alexnet.lr": 0.01,
    "archs.mlp_1x512.lr": 0.02,
}
OTHER_CODE = (
    Mutant("rethinking/core/streams.py", "other data", "generator", "seed", "seed + 1", ""),
    Mutant("rethinking/training/recipe.py", "other weights", "Recipe.lr_at", "self.lr", "self.lr * 0.5", ""),
)


@dataclass
class Trial:
    """What became of a pipeline that was disturbed so many times."""

    disturbed: int = 1
    said: list[str] = field(default_factory=list)
    did: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Fault(NamedTuple):
    """A fault, the function that tries it so many times, and how many times."""

    name: str
    attempt: Callable[["Bench", random.Random, int], Iterator[Trial]]
    tries: int


class Bench:
    """Where the copies lie: one in which nothing has run, one in which all has, and what each edit should give."""

    def __init__(self, folder: Path, target: str = "demo/dvc.yaml"):
        self.folder = folder
        self.fresh = small_project(folder / "fresh", target)
        started = time.monotonic()
        self.whole = self.undisturbed("whole")
        self.seconds = time.monotonic() - started
        self.expected = self.whole.results()

    def undisturbed(self, name: str, edit: Callable[[Disturbed], None] = lambda copy: None) -> Disturbed:
        """A copy, perhaps edited, in which all has run. Raises RuntimeError where that fails by itself."""
        copy = self.fresh.moved(self.folder / name)
        edit(copy)
        succeeded, log = copy.reproduce()
        if not succeeded:
            raise RuntimeError(f"the pipeline fails undisturbed:\n{log}")
        return copy

    def copy_of(self, copy: Disturbed) -> Disturbed:
        """A copy to disturb."""
        return copy.moved(Path(tempfile.mkdtemp(dir=self.folder)) / "copy")


def finish(copy: Disturbed, expected: dict[str, Any], trial: Trial) -> Trial:
    """Run the pipeline to its end, doing what its messages say, and compare; adds to the trial."""
    for _ in range(MOST_RECOVERIES):
        succeeded, log = copy.reproduce()
        if "Traceback" in log:
            trial.wrong.append(f"a traceback: {log[-1500:]}")
        if succeeded:
            break
        recover(copy, log, trial)
    else:
        trial.wrong.append(f"no end after {MOST_RECOVERIES} recoveries: {trial.said}")
    found = copy.results()
    trial.wrong += [
        f"{name} differs" for name in sorted(found.keys() | expected) if found.get(name) != expected.get(name)
    ]
    wait = time.monotonic() + 10
    while (left := copy.processes()) and time.monotonic() < wait:
        time.sleep(0.1)
    trial.wrong += [f"left running: {process}" for process in left]
    return trial


def recover(copy: Disturbed, log: str, trial: Trial) -> None:
    """Note what was said and do what it says."""
    said = sentences(log)
    if not said:
        trial.wrong.append(f"failed without a sentence: {log[-1500:]}")
        return
    trial.said.append(said[0])
    commands = commands_in(said[0]) or [command for word, command in RECOVERIES.items() if word in said[0]]
    for command in commands:
        copy.follow(command)
    trial.did += commands


def done(copy: Disturbed) -> None:
    shutil.rmtree(copy.folder.parent.parent, ignore_errors=True)


# --- Processes


def killed(victim: str, number: int) -> Callable[[Bench, random.Random, int], Iterator[Trial]]:
    """Send a signal to the stage, to DVC or to both, again and again until the pipeline has come to its end."""

    def attempt(bench: Bench, chance: random.Random, tries: int) -> Iterator[Trial]:
        while tries > 0:
            copy, trial = bench.copy_of(bench.fresh), Trial(0)
            safe: dict[str, int] = {}
            while trial.disturbed < tries:
                with copy.running() as dvc:
                    hit = strike(dvc, victim, number, chance.uniform(0, 0.35 * bench.seconds), chance.uniform(0, 1.5))
                    dvc.wait(PATIENCE)
                now = copy.epochs()
                finished = copy.finished_runs()
                trial.wrong += [
                    f"lost epochs {now.get(name, 0)} to {epochs}"
                    for name, epochs in safe.items()
                    if now.get(name, 0) < epochs and name not in finished
                ]
                safe = now
                if not hit:
                    break
                trial.disturbed += 1
            tries -= trial.disturbed
            yield finish(copy, bench.expected, trial)
            done(copy)

    return attempt


def strike(dvc: Any, victim: str, number: int, delay: float, longer: float) -> bool:
    """Signal the victim after a delay; whether the pipeline was still running then."""
    if not sleep_while_running(dvc, delay):
        return False
    if victim == "stage":
        stage = wait_for_stage(dvc)
        while stage and sleep_while_running(dvc, longer):
            if stage.is_running():
                stage.send_signal(number)
                return True
            stage = wait_for_stage(dvc)
        return False
    if victim == "dvc":
        dvc.send_signal(number)
    else:
        os.killpg(dvc.pid, number)
    return True


def two_at_once(bench: Bench, chance: random.Random, tries: int) -> Iterator[Trial]:
    for _ in range(tries):
        copy, trial = bench.copy_of(bench.fresh), Trial()
        with copy.running("first") as first:
            sleep_while_running(first, chance.uniform(0, 0.5 * bench.seconds))
            with copy.running("second") as second:
                second.wait(PATIENCE)
            first.wait(PATIENCE)
        trial.said += sentences(copy.log("first"))[:1] + sentences(copy.log("second"))[:1]
        yield finish(copy, bench.expected, trial)
        done(copy)


# --- The disk


def full_disk(whose: str) -> Callable[["Bench", random.Random, int], Iterator[Trial]]:
    """No file of DVC and its stages, or of one stage, may grow beyond a size; then it may again.

    A size that was enough, or that came when the stage had written everything, is no fault: another one is drawn.
    """

    def attempt(bench: Bench, chance: random.Random, tries: int) -> Iterator[Trial]:
        while tries > 0:
            copy = bench.copy_of(bench.fresh)
            with copy.running() as dvc:
                limit_file_size(dvc, whose, chance.uniform(0, 0.7 * bench.seconds), int(10 ** chance.uniform(2, 6)))
                dvc.wait(PATIENCE)
            trial = Trial(disturbed=int(dvc.returncode != 0))
            if trial.disturbed:
                recover(copy, copy.log(), trial)
            trial.wrong += ["a traceback"] * ("Traceback" in copy.log())
            trial.wrong += [f"left half-written: {path}" for path in copy.partial()]
            finish(copy, bench.expected, trial)
            if trial.disturbed or trial.wrong:
                tries -= 1
                yield trial
            done(copy)

    return attempt


def limit_file_size(dvc: Any, whose: str, delay: float, size: int) -> None:
    """Let no file of DVC and its stages, or of the stage that runs after the delay, grow beyond the size."""
    process: psutil.Process | None = psutil.Process(dvc.pid)
    if whose == "stage":
        sleep_while_running(dvc, delay)
        process = wait_for_stage(dvc)
    if process:
        with suppress(psutil.NoSuchProcess):  # it has just ended
            process.rlimit(psutil.RLIMIT_FSIZE, (size, size))


def damaged(
    damage: Callable[[Path, random.Random], None], choices: Callable[[Disturbed], list[Path]], lost: tuple[str, ...]
) -> Callable[[Bench, random.Random, int], Iterator[Trial]]:
    """Damage one of the files after all has run, and lose some outputs, so that what is damaged is needed again."""

    def attempt(bench: Bench, chance: random.Random, tries: int) -> Iterator[Trial]:
        for _ in range(tries):
            copy, trial = bench.copy_of(bench.whole), Trial()
            copy.reproduce()  # DVC now knows these files by their time and size, and will not read them again
            damage(chance.choice(choices(copy)), chance)
            for name in lost:
                remove(copy.folder / name)
            yield finish(copy, bench.expected, trial)
            done(copy)

    return attempt


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def artefacts(copy: Disturbed) -> list[Path]:
    return [path for name in RESULTS for path in files(copy.folder / name)]


def cached_by_dvc(copy: Disturbed) -> list[Path]:
    """The arrays, weights, curves and metrics in DVC's cache, and its lists of folders."""
    return [path for path in files(copy.folder / ".dvc/cache/files") if b"are valid" not in path.read_bytes()[:100]]


def made_by_stages(copy: Disturbed) -> list[Path]:
    return files(copy.folder / "data/digits") + files(copy.folder / "data/corrupted") + files(copy.folder / "runs")


def damaged_checkpoint(damage: Callable[[Path, random.Random], None]) -> Callable[..., Iterator[Trial]]:
    """Interrupt a training and damage its checkpoint."""

    def attempt(bench: Bench, chance: random.Random, tries: int) -> Iterator[Trial]:
        for _ in range(tries):
            copy, trial = bench.copy_of(bench.fresh), Trial()
            with copy.running() as dvc:
                while not copy.checkpoints() and sleep_while_running(dvc, 0.05):
                    pass
                sleep_while_running(dvc, chance.uniform(0, 1))
                os.killpg(dvc.pid, signal.SIGKILL)
                dvc.wait()
            damage(chance.choice(sorted(copy.checkpoints())), chance)
            yield finish(copy, bench.expected, trial)
            done(copy)

    return attempt


def lost_cache(share: float, with_outputs: bool) -> Callable[..., Iterator[Trial]]:
    """Delete that share of the files of DVC's cache, the run cache among them."""

    def attempt(bench: Bench, chance: random.Random, tries: int) -> Iterator[Trial]:
        for _ in range(tries):
            copy, trial = bench.copy_of(bench.whole), Trial()
            for path in files(copy.folder / ".dvc/cache"):
                if chance.random() < share:
                    path.unlink()
            for name in ("data", "runs") if with_outputs else ():
                remove(copy.folder / name)
            yield finish(copy, bench.expected, trial)
            done(copy)

    return attempt


# --- Edits while a stage runs


def edit_parameters(copy: Disturbed) -> None:
    copy.change_params(OTHER_PARAMETERS, PARAMETERS)


def edit_code(copy: Disturbed) -> None:
    """Changes that give other data, other weights and other figures."""
    for mutant in OTHER_CODE:
        mutate(copy.folder, mutant)


def undo(copy: Disturbed) -> None:
    edited_files = copy.git(
        "diff", "--name-only", "HEAD", "--", PARAMETERS, *(mutant.file for mutant in OTHER_CODE)
    ).split()
    copy.git("checkout", "HEAD", "--", *edited_files)  # and no other, as Git would write it anew


def edited(edit: Callable[[Disturbed], None], at_once: bool) -> Callable[..., Iterator[Trial]]:
    """Edit while a stage runs, and undo it: at once, or when all has run with the edit, which must show everywhere."""

    def attempt(bench: Bench, chance: random.Random, tries: int) -> Iterator[Trial]:
        expected = {} if at_once else bench.undisturbed(edit.__name__, edit).results()
        for _ in range(tries):
            copy, trial = bench.copy_of(bench.fresh), Trial()
            with copy.running() as dvc:
                sleep_while_running(dvc, chance.uniform(0, 0.8 * bench.seconds))
                wait_for_stage(dvc)
                sleep_while_running(dvc, chance.uniform(0, 1.5))
                edit(copy)
                if at_once:
                    sleep_while_running(dvc, chance.uniform(0.05, 1))
                    undo(copy)
                dvc.wait(PATIENCE)
            trial.said += sentences(copy.log())[:1]
            if not at_once:
                finish(copy, expected, trial)
                undo(copy)
            yield finish(copy, bench.expected, trial)
            done(copy)

    return attempt


KILLS = {
    "SIGKILL of the stage": killed("stage", signal.SIGKILL),
    "SIGKILL of dvc": killed("dvc", signal.SIGKILL),
    "SIGKILL of both": killed("both", signal.SIGKILL),
    "SIGTERM of the stage": killed("stage", signal.SIGTERM),
    "SIGTERM of dvc": killed("dvc", signal.SIGTERM),
    "Ctrl-C": killed("both", signal.SIGINT),
}
OUTPUTS = ("data", "runs", "demo/metrics")


def faults(kills: int) -> list[Fault]:
    """Every fault, with so many kills in all."""
    share = {name: kills // len(KILLS) + (number < kills % len(KILLS)) for number, name in enumerate(KILLS)}
    return [
        *(Fault(name, attempt, share[name]) for name, attempt in KILLS.items()),
        Fault("two `dvc repro` at once", two_at_once, 3),
        Fault("disk full for dvc", full_disk("dvc"), 3),
        Fault("disk full for a stage", full_disk("stage"), 6),
        Fault("an output cut short", damaged(cut_short, artefacts, ()), 6),
        Fault("a bit flipped in an output", damaged(flip_a_bit, made_by_stages, ("demo/metrics",)), 6),
        Fault("a bit flipped in the cache", damaged(flip_a_bit, cached_by_dvc, OUTPUTS), 6),
        Fault("a bit flipped in a checkpoint", damaged_checkpoint(flip_a_bit), 3),
        Fault("a checkpoint cut short", damaged_checkpoint(cut_short), 2),
        Fault("the cache deleted", lost_cache(1.0, with_outputs=False), 2),
        Fault("the cache and the outputs deleted", lost_cache(1.0, with_outputs=True), 2),
        Fault("half of the cache and the outputs deleted", lost_cache(0.5, with_outputs=True), 4),
        Fault("params.yaml edited while a stage runs", edited(edit_parameters, at_once=False), 4),
        Fault("params.yaml edited and restored meanwhile", edited(edit_parameters, at_once=True), 4),
        Fault("code edited while a stage runs", edited(edit_code, at_once=False), 4),
        Fault("code edited and restored meanwhile", edited(edit_code, at_once=True), 4),
        Fault("dvc.lock cut short", damaged(cut_short, lambda copy: [copy.folder / LOCK], ()), 6),
    ]


def row(fault: Fault, trials: list[Trial]) -> str:
    """A line of the table."""
    wrong = [trial for trial in trials if trial.wrong]
    outcome = f"**WRONG** {len(wrong)} of {len(trials)}" if wrong else "same results"
    first, *others = dict.fromkeys(sentence for trial in trials for sentence in trial.said) or [""]
    said = quoted(first) + (f" (and {len(others)} like it)" if others else "")
    did = {command.replace(sys.executable, "python"): None for trial in trials for command in trial.did}
    tried = sum(trial.disturbed for trial in trials)
    return f"| {fault.name} | {tried} | {outcome} | {'; '.join(did) or 'none'} | {said} |"


def main() -> None:
    """Try every fault, or those whose name contains a word; print the table; exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("word", nargs="?", default="", help="only faults whose name contains it")
    parser.add_argument("--kills", type=int, default=100, help="how many processes are killed in all (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and places (default: 0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="faults tried at once")
    arguments = parser.parse_args()
    chosen = [fault for fault in faults(arguments.kills) if arguments.word in fault.name]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        bench = Bench(Path(folder).resolve())

        def tried(number: int, fault: Fault) -> list[Trial]:
            trials = list(fault.attempt(bench, random.Random(f"{arguments.seed} {number} {fault.name}"), fault.tries))
            print(row(fault, trials), file=sys.stderr, flush=True)
            for trial in trials:
                print(*trial.wrong, sep="\n", end="\n" * bool(trial.wrong), file=sys.stderr, flush=True)
            return trials

        everything = list(pool.map(tried, range(len(chosen)), chosen))
    print("| fault | times | outcome | recovery | what was said |\n| --- | ---: | --- | --- | --- |")
    for fault, trials in zip(chosen, everything, strict=True):
        print(row(fault, trials))
    wrong = sum(bool(trial.wrong) for trials in everything for trial in trials)
    tried_in_all = sum(trial.disturbed for trials in everything for trial in trials)
    print(f"\n{tried_in_all} faults, {wrong} wrong, in {(time.monotonic() - started) / 60:.0f} minutes.")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
