"""A copy of the project whose demo pipeline is disturbed while it runs, and what an undisturbed one gives.

The demo with its trainings cut down, so that a hundred kills take minutes: 60 images, two architectures on one
corruption, every kind of stage. Everything runs on one thread, so that the same bytes are due wherever it runs.
"""

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from rethinking.core.files import read_yaml
from tests.pipeline_helpers import Copy, copy_of_project, environment, progress

SMALL = {
    "dataset.train_size": 60,
    "dataset.test_size": 30,
    "grid.corruptions": ["labels-0.5"],
    "train.archs": ["alexnet", "mlp_1x512"],
    "train.batch_size": 20,
    "train.device": "cpu",
    "archs.alexnet.epochs": 12,
    "archs.mlp_1x512.epochs": 150,
}
PARAMETERS = "demo/params.yaml"
LOCK = "demo/dvc.lock"
RESULTS = ("data/digits", "data/corrupted", "runs", "demo/metrics", "demo/plots")
SENTENCE = re.compile(r"^(?:(?:error|ERROR): )(.*)$|^('.*dvc\.lock' (?:validation failed|is invalid).*)$", re.MULTILINE)
PATIENCE = 3600  # seconds, far beyond any stage here, even on a machine that is busy with other things


@dataclass(frozen=True)
class Disturbed(Copy):
    """A copy of the project, small enough to run in half a minute, and how far its pipeline is to run."""

    target: str = "demo/dvc.yaml"

    def reproduce(self) -> tuple[bool, str]:
        """`dvc repro` of the demo: whether it succeeded, and what it printed."""
        with self.running() as dvc:
            dvc.wait(PATIENCE)
        return dvc.returncode == 0, self.log()

    @contextmanager
    def running(self, log_name: str = "log") -> Iterator[subprocess.Popen[bytes]]:
        """`dvc repro` of the demo in a process group of its own, as a terminal has it; none of it is left behind."""
        with open(self.folder.parent / log_name, "wb") as log:
            dvc = subprocess.Popen(
                [sys.executable, "-m", "dvc", "repro", self.target],
                cwd=self.folder,
                env=environment(self.folder),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield dvc
        finally:
            if dvc.poll() is None:
                os.killpg(dvc.pid, signal.SIGKILL)
                dvc.wait()  # or DVC would take the lock of a zombie for one that is held

    def log(self, log_name: str = "log") -> str:
        """What the last `dvc repro` printed."""
        text = (self.folder.parent / log_name).read_text(encoding="utf-8", errors="replace")
        return text.replace(f"{self.folder}/", "")

    def follow(self, command: str) -> None:
        """Do what an error message says, to the letter."""
        done = subprocess.run(
            command, shell=True, cwd=self.folder, env=environment(self.folder), capture_output=True, text=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")

    def results(self) -> dict[str, Any]:
        """The hash of every output, anything half-written included, and the lock as data."""
        lock = self.folder / LOCK
        return {**self.hashes(*RESULTS), LOCK: read_yaml(lock) if lock.exists() else None}

    def partial(self) -> list[str]:
        return [path.as_posix() for path in self.folder.rglob("*.partial")]

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["cwd", "status"]):
            if process.info["cwd"] == str(self.folder) and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def epochs(self) -> dict[str, int]:
        """How many epochs are safe in each run's checkpoint, by the run's folder with `-` for `/`."""
        return {path.stem.partition("@")[0]: len(progress(path)["rows"]) for path in self.checkpoints()}

    def finished_runs(self) -> set[str]:
        """The folders of the runs that are whole, with `-` for `/`."""
        folders = [path.parent.relative_to(self.folder) for path in self.folder.glob("runs/**/model.safetensors")]
        return {folder.as_posix().replace("/", "-") for folder in folders if folder.suffix != ".partial"}

    def moved(self, folder: Path) -> "Disturbed":
        """A duplicate, in a folder of its own with DVC's state."""
        folder.mkdir(parents=True)
        shutil.copytree(self.folder.parent, folder, symlinks=True, dirs_exist_ok=True)
        return Disturbed(folder / self.folder.name, self.target)


def small_project(folder: Path, target: str = "demo/dvc.yaml") -> Disturbed:
    """The project's working tree with the small demo, nothing of which has run."""
    copy = Disturbed(copy_of_project(folder / "project", [Path(target).parts[0]]).folder, target)
    copy.change_params(SMALL, PARAMETERS)
    (copy.folder / LOCK).unlink(missing_ok=True)
    for name in ("demo/metrics", "demo/plots"):
        shutil.rmtree(copy.folder / name, ignore_errors=True)
    copy.commit()
    return copy


def stage_of(dvc: subprocess.Popen[bytes]) -> psutil.Process | None:
    try:
        for process in psutil.Process(dvc.pid).children(recursive=True):
            if any(word.startswith("stages.") for word in process.cmdline()):
                return process
    except psutil.Error:
        pass
    return None


def wait_for_stage(dvc: subprocess.Popen[bytes]) -> psutil.Process | None:
    """The stage that DVC runs next, None where DVC ends before."""
    while dvc.poll() is None:
        if stage := stage_of(dvc):
            return stage
        time.sleep(0.01)
    return None


def sleep_while_running(dvc: subprocess.Popen[bytes], seconds: float) -> bool:
    """Sleep, but not longer than DVC runs; whether it still runs."""
    try:
        dvc.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def flip_a_bit(path: Path, chance: random.Random) -> None:
    """As a disk does it: the file's size, time and mode stay what they were."""
    content, before = bytearray(path.read_bytes()), path.stat()
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut_short(path: Path, chance: random.Random) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)])


def files(folder: Path) -> list[Path]:
    """The files below a folder that are not empty, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def sentences(log: str) -> list[str]:
    """What our stages and DVC say went wrong."""
    return [ours or of_the_lock for ours, of_the_lock in SENTENCE.findall(log)]


def commands_in(sentence: str) -> list[str]:
    """The commands that a message names, but for the `dvc repro` that follows anyway."""
    named = [command for command in re.findall(r"`([^`]+)`", sentence) if not command.startswith("dvc repro")]
    return [
        shlex.join([sys.executable, *shlex.split(each)[1:]]) if each.startswith("python ") else each for each in named
    ]
