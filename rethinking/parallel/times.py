"""How long stages took, in live/times.jsonl, outside of what DVC tracks: the same inputs must give the same bytes.

Only `tools.run` notes times, and what a killed runner had not noted is lost.
"""

import json
import os
from pathlib import Path
from typing import Any

from rethinking.core.cores import available_cores
from rethinking.core.workspace import main_copy
from rethinking.parallel.pool import Ended
from rethinking.parallel.schedule import State


def times_file() -> Path:
    """The file of times, a line each time a stage ends."""
    return main_copy() / "live" / "times.jsonl"


def note(ended: Ended, state: State) -> None:
    """Add a line on a stage that ran; one that was restored or unchanged took no time of its own."""
    if state not in (State.RESTORED, State.UNCHANGED):
        # OpenMP takes a list, too, a number for each level of nesting, and does without where it is none.
        asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
        threads = int(asked) if asked.isdecimal() else available_cores()
        line = {"stage": ended.name, "seconds": round(ended.seconds, 1), "threads": threads}
        times_file().parent.mkdir(exist_ok=True)
        with open(times_file(), "a", encoding="utf-8") as file:
            file.write(json.dumps(line | {"done": state is State.DONE}) + "\n")


def times() -> list[dict[str, Any]]:
    """Each stage that ran to its end, sorted by name: seconds of its last run, earlier starts that were stopped
    included, and threads."""
    found: dict[str, dict[str, Any]] = {}
    early: dict[str, float] = {}
    text = times_file().read_text(encoding="utf-8") if times_file().exists() else ""
    for line in text.splitlines():
        try:
            ended = json.loads(line)
        except json.JSONDecodeError:  # what a runner was writing when it was killed
            continue
        name = ended["stage"]
        early[name] = early.get(name, 0.0) + ended["seconds"]
        if ended["done"]:
            found[name] = {"stage": name, "seconds": early.pop(name), "threads": ended["threads"]}
    return [found[name] for name in sorted(found)]
