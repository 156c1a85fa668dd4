"""A flag for Ctrl-C, SIGTERM and the end of DVC, which a long run reads often, to save its state."""

import signal
from pathlib import Path
from types import FrameType
from typing import Any

from rethinking.core.errors import Interrupted, abandoned


class Stopped(Exception):
    """A run was stopped on request, after its state was saved."""


class StopFlag:
    """True after SIGINT or SIGTERM while it is active, or once the DVC that started the stage is gone.

    A second signal ends the process at once.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopFlag":
        self._previous = {number: signal.signal(number, self._set) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.signal_number is not None or abandoned()

    def interruption(self, out: Path) -> Interrupted:
        """What a stage that was stopped ends with: how to go on with its run."""
        message = f"{out} was stopped after its state was saved; run the same command again to continue it"
        return Interrupted(message, self.signal_number or signal.SIGINT)

    def _set(self, number: int, frame: FrameType | None) -> None:
        self.signal_number = number
        for each in self._previous:
            signal.signal(each, signal.SIG_DFL)
