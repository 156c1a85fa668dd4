"""The name of a run from its parts, and the parts from the name: `inception-labels-0.5-plain-0`."""

import math
import re
from typing import NamedTuple

PLAIN = "plain"  # the variant of no regulariser and of the recipe as it is
# A corruption has its level behind a dash, a variant such as batch_size-32 a number of its own.
_NAME = re.compile(r"(?P<arch>[^-]+)(-(?P<corruption>\w+?(-\d+\.?\d*)?)(-(?P<variant>[a-z].*)-(?P<seed>\d+))?)?")


class RunName(NamedTuple):
    """A run's place among the others. The corruption, variant and seed are None where the parameter file alone says
    them: in the headline all three, in the demo the last two."""

    arch: str
    corruption: str | None = None
    variant: str | None = None
    seed: int | None = None

    @property
    def text(self) -> str:
        """The run's folder below `runs/<pipeline>`, and its name in every table."""
        return "-".join(str(part) for part in self if part is not None)

    @property
    def without_seed(self) -> str:
        """What runs have in common that differ in their seed alone."""
        return self._replace(seed=None).text

    @classmethod
    def parse(cls, text: str) -> "RunName":
        """The parts of a name. Raises ValueError where it is none."""
        match = _NAME.fullmatch(text)
        if match is None:
            raise ValueError(f"'{text}' is no name of a run")
        seed = match["seed"]
        return cls(match["arch"], match["corruption"], match["variant"], None if seed is None else int(seed))


def kind_and_level(corruption: str) -> tuple[str, float]:
    """A corruption's name such as `labels-0.5` as its kind and level; 0 where it has none.

    Raises ValueError where `corruption_name` writes it otherwise, as two names of one corruption would be two runs.
    """
    kind, _, number = corruption.partition("-")
    try:
        level = float(number or 0)
    except ValueError:
        level = math.nan
    if corruption_name(kind, level) != corruption or "e" in number:
        raise ValueError(f"'{corruption}' has no level between 0 and 1 that is written as in labels-0.5 or labels-1.0")
    return kind, level


def corruption_name(kind: str, level: float) -> str:
    """The name of a corruption; without a level where it is 0, as for `none` and corrupted pixels."""
    return f"{kind}-{level}" if level else kind
