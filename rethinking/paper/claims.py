"""The paper's claims as paper/claims.yaml, which explains its keys, states them."""

import math
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from rethinking.core.config import Section, error_sentence
from rethinking.core.errors import UsageError
from rethinking.core.files import read_yaml
from rethinking.paper.names import GRIDS, THEORY

Number = Annotated[float, Field(allow_inf_nan=False)]


class Tolerance(Section):
    """How far ours may be from the paper's, and why; `relative` to the paper's value."""

    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    reason: str
    relative: bool = False


class Claim(Section):
    """One claim as it stands in claims.yaml."""

    id: str
    statement: str
    source: str
    kind: Literal["value", "difference", "bound", "ratio", "ordering", "monotone"]
    metric: str | None = None
    metrics: list[str | list[str]] = []
    paper: Number | None = None
    tolerance: str | None = None
    at_most: Number | None = None
    at_least: Number | None = None
    reason: str | None = None
    any_size: bool = False

    @property
    def groups(self) -> list[list[str]]:
        """The metrics as groups; a metric that stands alone is a group of one."""
        listed = [self.metric] if self.metric else self.metrics
        return [[group] if isinstance(group, str) else group for group in listed]

    @property
    def in_small(self) -> bool:
        """Whether the grid in small, which is of CIFAR-10 alone, can say something of it."""
        return self.any_size and all(path.startswith("cifar10/") for group in self.groups for path in group)


class Claims(Section):
    """The whole file."""

    tolerances: dict[str, Tolerance]
    claims: list[Claim]

    def tolerance_of(self, claim: Claim) -> Tolerance | None:
        """The tolerance that a claim names."""
        return self.tolerances[claim.tolerance] if claim.tolerance else None


# What a claim of each kind must have beside its metrics, and how many of these: at least, at most.
NEEDED = {
    "value": {"paper", "tolerance"},
    "difference": {"paper", "tolerance"},
    "monotone": {"tolerance"},
    "bound": {"reason"},
    "ratio": {"reason"},
}
COUNTS = {"value": (1, 1), "difference": (2, 2), "ratio": (2, 2), "ordering": (2, math.inf), "monotone": (2, math.inf)}
_PATH = re.compile(
    rf"({'|'.join(GRIDS)})/(audits/[^/]+|[^/]+/[^/]+/[^/]+)/[^/]+|theory/({'|'.join(THEORY)})(/[^/]+)+|parameters/[^/]+"
)


def load_claims(path: Path) -> Claims:
    """Read claims.yaml. Raises UsageError, one sentence naming the claim, where it is not what it should be."""
    try:
        claims = Claims.model_validate(read_yaml(path))
    except ValidationError as error:
        raise UsageError(f"{path}: {error_sentence(error)}") from None
    ids = [claim.id for claim in claims.claims]
    for claim in claims.claims:
        if fault := _fault(claim, claims, ids):
            raise UsageError(f"{path}: claim {claim.id}: {fault}")
    return claims


def _fault(claim: Claim, claims: Claims, ids: list[str]) -> str | None:
    """What is wrong with a claim, or None."""
    low, high = COUNTS.get(claim.kind, (1, math.inf))
    missing = sorted(key for key in NEEDED.get(claim.kind, set()) if getattr(claim, key) is None)
    if ids.count(claim.id) > 1:
        return "its id stands twice"
    if bool(claim.metric) == bool(claim.metrics) or not low <= len(claim.groups) <= high:
        return f"{claim.kind} needs {low} metric{'s' if high > 1 else ''}, in metric or metrics"
    if any(not group or len(group) > 1 and claim.kind != "ordering" for group in claim.groups):
        return "metrics holds a list; an ordering alone has groups, of at least one metric each"
    if wrong := [path for group in claim.groups for path in group if not _PATH.fullmatch(path)]:
        return (
            f"found the metric '{wrong[0]}'; expected data set/architecture/corruption/variant/key, data "
            f"set/audits/corruption/key, theory/data set/... or parameters/architecture, of {', '.join(GRIDS)}"
        )
    if missing:
        return f"{claim.kind} needs {' and '.join(missing)}"
    if claim.kind in ("bound", "ratio") and (claim.at_most is None) == (claim.at_least is None):
        return f"{claim.kind} needs at_most or at_least"
    if claim.tolerance is not None and claim.tolerance not in claims.tolerances:
        return f"tolerance: unknown name '{claim.tolerance}'; allowed: {', '.join(claims.tolerances)}"
    return None
