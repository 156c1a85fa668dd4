"""Stages as processes: each a `dvc repro --single-item` on a terminal of its own.

The terminal ends a stage when its owner dies. However this process dies, the terminal hangs up, and the system ends all
that runs on it; when only DVC is killed, the command that it ran ends likewise. Programs also show their progress at
once on a terminal, and only now and then on a pipe.
"""

import fcntl
import os
import pty
import re
import selectors
import signal
import subprocess
import sys
import termios
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from rethinking.parallel.schedule import State

DVC = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item"]
# The first line that DVC prints of a stage tells what becomes of it.
OUTCOMES = (
    (re.compile(r"^Running stage "), State.DONE),
    (re.compile(r" is cached - skipping run, checking out outputs$"), State.RESTORED),
    (re.compile(r" didn't change, skipping$"), State.UNCHANGED),
)
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
KEPT_LINES = 12


@dataclass
class Job:
    """A running stage: its process, its terminal, its last lines and its progress."""

    name: str
    process: subprocess.Popen[bytes]
    terminal: int
    started: float = field(default_factory=time.monotonic)
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    progress: str = ""
    state: State | None = None
    signalled: set[int] = field(default_factory=set)
    _unfinished: str = ""

    def read(self) -> bool:
        """Read what the stage wrote; False once nothing more can come."""
        try:
            text = os.read(self.terminal, 65536).decode(errors="replace")
        except OSError:  # Linux says so when the last process on the terminal has gone
            return False
        *whole, self._unfinished = (self._unfinished + COLOURS.sub("", text)).replace("\r\n", "\n").split("\n")
        for line in whole:
            self._remember(line)
        self.progress = next(iter(_states(self._unfinished)), self.progress)
        return bool(text)

    def _remember(self, line: str) -> None:
        """Keep a finished line; of a progress bar, its last state."""
        if states := _states(line):
            last = states[0]
            self.lines.append(last)
            self.progress = last
            self.state = self.state or next((state for pattern, state in OUTCOMES if pattern.search(last)), None)


def _states(line: str) -> list[str]:
    """What a line showed as it was redrawn after carriage returns, the last first, without empty states."""
    return [part.strip() for part in reversed(line.split("\r")) if part.strip()]


@dataclass(frozen=True)
class Ended:
    """A stage that has ended: its state, how long it took, and its last lines."""

    name: str
    state: State
    seconds: float
    lines: list[str]


class Pool:
    """The stages that run now."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self._selector = selectors.DefaultSelector()

    def start(self, name: str, environment: dict[str, str]) -> None:
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 200))

        def own_terminal() -> None:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored
            signal.pthread_sigmask(signal.SIG_SETMASK, [])  # a worker of Ray blocks Ctrl-C
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        process = subprocess.Popen(
            [*DVC, name],
            env={**os.environ, **_with_our_python(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=own_terminal,
        )
        os.close(theirs)
        self.jobs[name] = Job(name, process, ours)
        self._selector.register(ours, selectors.EVENT_READ, self.jobs[name])

    def wait(self, seconds: float) -> list[Ended]:
        """Read what the stages write, for at most so long; return those that have ended."""
        for key, _ in self._selector.select(seconds):
            if not key.data.read():
                self._selector.unregister(key.fd)
        return [self._end(job) for job in list(self.jobs.values()) if job.process.poll() is not None]

    def _end(self, job: Job) -> Ended:
        """Remove a stage whose DVC has ended; closing the terminal ends processes it may have left."""
        if job.terminal in self._selector.get_map():
            self._selector.unregister(job.terminal)
            os.set_blocking(job.terminal, False)
            while job.read():
                pass
        os.close(job.terminal)
        del self.jobs[job.name]
        seconds = time.monotonic() - job.started
        state = State.FAILED if job.process.returncode else job.state or State.DONE
        return Ended(job.name, state, seconds, list(job.lines))

    def interrupt(self) -> None:
        """Send Ctrl-C once to every command that runs, also to those that DVC starts later.

        DVC itself is spared: it may be writing its lock file, and ends by itself when its command has failed.
        """
        for job in self.jobs.values():
            try:
                commands = psutil.Process(job.process.pid).children(recursive=True)
            except psutil.NoSuchProcess:
                continue
            for command in commands:
                if command.pid not in job.signalled:
                    job.signalled.add(command.pid)
                    try:
                        command.send_signal(signal.SIGINT)
                    except psutil.NoSuchProcess:
                        continue


def _with_our_python() -> dict[str, str]:
    """Commands find the `python` that runs this, whether its environment is activated or not."""
    return {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])}
