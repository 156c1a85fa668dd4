"""How long stages took, in live/times.jsonl, outside of what DVC tracks: the same inputs must give the same bytes."""

import json
from pathlib import Path

from stages.parallel.pool import Ended
from stages.parallel.schedule import State
from stages.workspace import main_copy


def times_file() -> Path:
    """One line for each time that a stage ended."""
    return main_copy() / "live" / "times.jsonl"


def note(ended: Ended, state: State) -> None:
    """Add a line on a stage that ran; one that was restored or unchanged took no time of its own."""
    if state not in (State.RESTORED, State.UNCHANGED):
        times_file().parent.mkdir(exist_ok=True)
        line = {"stage": ended.name, "seconds": round(ended.seconds, 1), "done": state is State.DONE}
        with open(times_file(), "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def times() -> dict[str, float]:
    """Seconds that each stage took when it last ran to its end, with those of starts that were stopped before."""
    found: dict[str, float] = {}
    stopped: dict[str, float] = {}
    lines = times_file().read_text(encoding="utf-8").splitlines() if times_file().exists() else []
    for line in map(json.loads, lines):
        name = line["stage"]
        stopped[name] = stopped.get(name, 0.0) + line["seconds"]
        if line["done"]:
            found[name] = stopped.pop(name)
    return found
