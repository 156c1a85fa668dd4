"""When a stage may start: once all it needs is done, in DVC's order, and never where something it needs failed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from rethinking.parallel.graph import Stage


class State(Enum):
    """The state of a stage; `restored` and `unchanged` count as done."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    RESTORED = "restored"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    LEFT_OUT = "left out"


FINISHED = {State.DONE, State.RESTORED, State.UNCHANGED}


@dataclass
class Schedule:
    """The state of every stage of a plan, in DVC's order.

    `stages` come after those they need; `outdated` are those that DVC would run now. A stage that was up to date is
    doubtful once a stage it needs has run, until DVC is asked again.
    """

    stages: Sequence[Stage]
    outdated: set[str]
    states: dict[str, State] = field(init=False)

    def __post_init__(self) -> None:
        self.states = {stage.name: State.WAITING for stage in self.stages}
        self._settle()

    def ready(self) -> list[str]:
        """The waiting stages whose needs are all met, in DVC's order."""
        return [
            stage.name
            for stage in self.stages
            if self.states[stage.name] is State.WAITING and all(self.states[need] in FINISHED for need in stage.needs)
        ]

    def doubtful(self) -> list[str]:
        """The ready stages that were up to date before a stage they need ran."""
        return [name for name in self.ready() if name not in self.outdated]

    def confirm(self, names: Sequence[str], outdated: set[str]) -> None:
        """Take DVC's answer about doubtful stages: those in `outdated` will run, the others are still up to date."""
        for name in names:
            if name in outdated:
                self.outdated.add(name)
            else:
                self.states[name] = State.UNCHANGED
        self._settle()

    def set(self, name: str, state: State) -> None:
        """Set the state of a stage, and what follows for those that need it."""
        self.states[name] = state
        self._settle()

    def names(self, *states: State) -> list[str]:
        """The stages in one of these states, in DVC's order."""
        return [name for name, state in self.states.items() if state in states]

    def blocker(self, name: str) -> str:
        """The failed stage for which a stage was left out."""
        stage = next(stage for stage in self.stages if stage.name == name)
        need = next(each for each in stage.needs if self.states[each] in (State.FAILED, State.LEFT_OUT))
        return need if self.states[need] is State.FAILED else self.blocker(need)

    def _settle(self) -> None:
        """Leave out what needs a failed stage; what is up to date and needs only unchanged stages is unchanged."""
        for stage in self.stages:
            if self.states[stage.name] is not State.WAITING:
                continue
            needs = {self.states[need] for need in stage.needs}
            if needs & {State.FAILED, State.LEFT_OUT}:
                self.states[stage.name] = State.LEFT_OUT
            elif stage.name not in self.outdated and needs <= {State.UNCHANGED}:
                self.states[stage.name] = State.UNCHANGED
