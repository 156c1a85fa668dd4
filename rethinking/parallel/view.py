"""What the runner shows: a live table on a terminal, a line for each event elsewhere, and a summary at the end."""

import re
import time
from collections.abc import Iterable
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rethinking.parallel.pool import Ended
from rethinking.parallel.schedule import FINISHED, Schedule, State
from rethinking.parallel.times import note, times_file

# A progress bar of tqdm: `name: 45%|####  | 9/20 [00:03<00:04, 3.1step/s, epoch 4 loss 0.345]`
BAR = re.compile(r"(?P<share>\d+)%\|.*\[[^<\]]*<(?P<left>[^,\]]+)(?:, *[^,\]]*)?(?:, (?P<detail>.*))?\]")
SECONDS_BETWEEN_DRAWINGS = 0.25


class Running(Protocol):
    """A running stage, as the view shows it."""

    name: str
    started: float
    progress: str


class View:
    """Shows a schedule as it runs; use it as a context."""

    def __init__(self, schedule: Schedule, jobs: int):
        self.schedule, self.jobs = schedule, jobs
        self.console = Console(stderr=True, highlight=False)
        self.seconds: dict[str, list[float]] = {}
        self._live = Live(console=self.console, auto_refresh=False, transient=True)
        self._drawn = 0.0

    def __enter__(self) -> "View":
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, message: str) -> None:
        """Print a line that stays."""
        self.console.print(Text(message), soft_wrap=True)

    def started(self, name: str, place: str | None) -> None:
        """Print that a stage has started, perhaps on a GPU or a node; on a terminal the table shows it."""
        if not self.console.is_terminal:
            self.say(f"started {name}" + (f" on {place}" if place else ""))

    def ended(self, ended: Ended) -> None:
        """Print that a stage has ended, and note how long it took."""
        state = self.schedule.states[ended.name]
        try:
            note(ended, state)
        except OSError as error:  # the stages go on
            self.say(f"{times_file()} cannot be written ({error.strerror})")
        if state is State.DONE:
            self.seconds.setdefault(_kind(ended.name), []).append(ended.seconds)
        finished = len(self.schedule.names(*FINISHED))
        self.say(f"{state.value} {ended.name} in {duration(ended.seconds)} ({finished} of {len(self.schedule.states)})")

    def draw(self, running: Iterable[Running]) -> None:
        """Bring the table up to date."""
        now = time.monotonic()
        if self.console.is_terminal and now - self._drawn > SECONDS_BETWEEN_DRAWINGS:
            self._drawn = now
            self._live.update(self._table(list(running)), refresh=True)

    def _table(self, running: list[Running]) -> Group:
        table = Table.grid(padding=(0, 2))
        for job in running:
            table.add_row(
                Text(job.name, style="bold"),
                duration(time.monotonic() - job.started),
                Text(readable(job.progress), overflow="ellipsis", no_wrap=True),
            )
        counts = {"done": len(self.schedule.names(*FINISHED)), "running": len(running)}
        for state in (State.WAITING, State.FAILED, State.LEFT_OUT):
            counts[state.value] = len(self.schedule.names(state))
        text = ", ".join(f"{count} {word}" for word, count in counts.items() if count or word == "done")
        left = self.seconds_left(running)
        return Group(table, Text(text + (f"; about {duration(left)} left" if left is not None else ""), style="cyan"))

    def seconds_left(self, running: Iterable[Running]) -> float | None:
        """A rough time until all is done: stages take as long as those of their kind took; None before any has ended.

        Stages that are waiting only for DVC to find them unchanged are counted as if they ran.
        """
        if not self.seconds:
            return None
        all_seconds = [each for seconds in self.seconds.values() for each in seconds]
        mean = {kind: sum(seconds) / len(seconds) for kind, seconds in self.seconds.items()}
        usual = sum(all_seconds) / len(all_seconds)
        work = sum(mean.get(_kind(name), usual) for name in self.schedule.names(State.WAITING))
        for job in running:
            work += max(mean.get(_kind(job.name), usual) - (time.monotonic() - job.started), 0)
        return work / self.jobs

    def account(self, failures: dict[str, Ended]) -> None:
        """Print what has become of all stages, and why some failed."""
        for name, ended in failures.items():
            self.say(f"\nfailed: {name}, after {duration(ended.seconds)}; its last lines:")
            for line in ended.lines:
                self.say(f"    {line}")
        left_out: dict[str, list[str]] = {}
        for name in self.schedule.names(State.LEFT_OUT):
            left_out.setdefault(self.schedule.blocker(name), []).append(name)
        for name, stages in left_out.items():
            self.say(f"left out, as {name} failed: {', '.join(stages)}")
        counts = {state: len(self.schedule.names(state)) for state in State}
        words = ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)
        self.say(f"{len(self.schedule.states)} stages: {words or 'nothing to do'}")


def readable(progress: str) -> str:
    """A progress bar in words: share, time left and what it says of epoch and loss; other text as it is."""
    bar = BAR.search(progress)
    if not bar:
        return progress
    return f"{bar['share']}%, {bar['left']} left" + (f", {bar['detail']}" if bar["detail"] else "")


def duration(seconds: float) -> str:
    """Such as `7 s`, `3 min 5 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _kind(name: str) -> str:
    """`train@alexnet` is of the kind `train`."""
    return name.partition("@")[0]
