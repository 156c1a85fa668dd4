"""The verdicts on the paper's claims, from measured results.

A verdict is `reproduced`, `differs` or `not run`. It is taken on the mean over seeds; with several seeds, the 95%
interval of that mean (Student's t) stands beside it. What was never reached counts as infinitely late, and is in no
order; nothing is extrapolated. What is missing otherwise is no number, and no claim holds of it. Nor does one on the
test images of a network that has learned less than half of its training set, as chance may be all that it has.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from rethinking.core.errors import DataError
from rethinking.core.tables import markdown
from rethinking.paper.claims import Claim, Claims, Tolerance
from rethinking.paper.names import is_whole
from rethinking.paper.text import as_text
from rethinking.results.runs import Run, has_final_test, select

VERDICTS = ("reproduced", "differs", "not run")
# The train accuracy from which a network has learned its labels, whether it fits them or not: half of them.
LEARNED = 0.5
# The metrics that are times, which may never come.
TIMES = ("epochs_to_fit", "steps_to_loss")
# What ours is where it is not the metric itself, by the kind of the claim.
OURS = {"ordering": "smallest gap ", "monotone": "smallest rise "}


class Measured(NamedTuple):
    """A metric's name, its values over the seeds that ran, and the runs they come from.

    A value is infinite where it is a time that never came, and NaN where it is missing otherwise.
    """

    name: str
    values: list[float]
    runs: list[dict[str, Any]]

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return math.fsum(self.values) / len(self.values)

    @property
    def unlearned(self) -> list[dict[str, Any]]:
        """The runs of which a metric of the test images says nothing, as they have not learned their training set."""
        tested = "test_" in self.name
        return [run for run in self.runs if tested and (run.get("train_accuracy", 1.0) or 0.0) < LEARNED]


class Results(NamedTuple):
    """The measured results, read by paths: `cifar10/alexnet/none/plain/test_accuracy` of the runs of a grid,
    `cifar10/audits/labels-0.5/changed`, `theory/digits/...` and `parameters/alexnet`."""

    grids: Mapping[str, list[Run]]
    audits: Mapping[str, Any]
    theory: Mapping[str, Any]
    parameters: Mapping[str, Any]

    def measured(self, path: str) -> Measured | None:
        """The metric at a path over all seeds; None where it was not run. Raises DataError where it is no number."""
        first, second, *rest = path.split("/")
        if first in self.grids and second != "audits":
            arch, (corruption, variant, name) = second, rest
            runs = [run.metrics for run in select(self.grids[first], arch, corruption, variant)]
        else:
            nested: Any = {"theory": self.theory, "parameters": self.parameters}.get(first, self.audits.get(first, {}))
            *keys, name = [second, *rest] if second != "audits" else rest
            for key in keys:
                nested = nested.get(key, {}) if isinstance(nested, dict) else {}
            runs = [nested] if isinstance(nested, dict) else []
        if any(run.get("ended_when_fitted") and not _says_when_fitted(run, name) for run in runs):
            return None
        if name == "test_error" and all("test_accuracy" in run for run in runs):
            runs = [run | {name: 1 - run["test_accuracy"]} for run in runs]
        if not runs or not all(name in run for run in runs):
            return None
        if wrong := [run[name] for run in runs if not isinstance(run[name], int | float | None)]:
            raise DataError(f"the metric {path} is {wrong[0]!r}, of which no claim can be judged; expected a number")
        missing = math.inf if name.startswith(TIMES) else math.nan
        return Measured(name, [missing if run[name] is None else float(run[name]) for run in runs], runs)


def _says_when_fitted(run: Mapping[str, Any], name: str) -> bool:
    """Whether a run that ended as soon as it fitted says anything of a metric: it cannot tell late from never."""
    return has_final_test(run) if "test_" in name else run.get(name, 0) is not None


class Judgement(NamedTuple):
    """Ours as a number, its 95% interval over seeds where there are several, and whether the claim holds."""

    ours: float
    interval: list[float] | None
    holds: bool


def judge(claims: Claims, claim: Claim, results: Results) -> dict[str, Any]:
    """The claim with ours, the interval and the verdict, as it stands in claims.json.

    `data` says what was trained on: the data set's name, the number of images, and the arithmetic if not float32; then
    what makes the runs of a claim unlike each other, where they were made on several machines or ended differently.
    """
    tolerance = claims.tolerance_of(claim)
    found = [[results.measured(path) for path in group] for group in claim.groups]
    measured = [[one for one in group if one is not None] for group in found]
    flat = [one for group in measured for one in group]
    runs = [run for one in flat for run in one.runs]
    data = sorted({_data_of(run) for run in runs} - {""}) + _mixture(runs)
    if unlearned := [run for one in flat for run in one.unlearned]:
        data.append(f"{len(unlearned)} of {len(runs)} runs learned less than {100 * LEARNED:g}% of their training set")
    whole = all(is_whole(run) for run in runs)
    sizes = {(run.get("dataset"), run.get("train_size")) for run in runs}
    judgement = None
    if all(one is not None for group in found for one in group) and (whole or claim.any_size and len(sizes) == 1):
        judgement = _judgement(claim, tolerance, measured)
    verdict = "not run" if judgement is None else "reproduced" if judgement.holds else "differs"
    return {
        "id": claim.id,
        "statement": claim.statement,
        "source": claim.source,
        "kind": claim.kind,
        "paper": claim.paper if claim.paper is not None else _bound_text(claim),
        "tolerance": tolerance.tolerance if tolerance else None,
        "relative": tolerance.relative if tolerance else False,
        "reason": tolerance.reason if tolerance else claim.reason,
        "metric": [path for group in claim.groups for path in group],
        "ours": judgement.ours if judgement else None,
        "interval": judgement.interval if judgement else None,
        "verdict": verdict,
        "seeds": max((len(one.values) for one in flat), default=0) if judgement else 0,
        "data": data,
        "never_reached": judgement is not None and math.isinf(judgement.ours),
    }


def _judgement(claim: Claim, tolerance: Tolerance | None, measured: list[list[Measured]]) -> Judgement:
    """As the claim's kind has it; nothing holds of what is missing, or of a network that has not learned."""
    flat = list(chain(*measured))
    if any(math.isnan(one.mean) for one in flat):
        return Judgement(math.nan, None, holds=False)
    judgement = JUDGES[claim.kind](claim, tolerance, measured)
    return judgement._replace(holds=judgement.holds and not any(one.unlearned for one in flat))


def _data_of(run: Mapping[str, Any]) -> str:
    if "train_size" not in run:
        return ""
    precision = run.get("precision") or "float32"
    return f"{run['dataset']}, {run['train_size']:,} images" + (f", {precision}" if precision != "float32" else "")


def _mixture(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the runs of a claim do not share beside their data, in words."""
    origins = sorted({run["origin"] for run in runs if run.get("origin")})
    ended = sum(bool(run.get("ended_when_fitted")) for run in runs)
    return [f"runs of {' and '.join(origins)}"] * (len(origins) > 1) + [
        f"{ended} of {len(runs)} runs ended as soon as they fitted"
    ] * (0 < ended < len(runs))


def _bound_text(claim: Claim) -> str | None:
    bound = claim.at_least if claim.at_most is None else claim.at_most
    if bound is None:
        return None
    share = claim.kind == "bound" and is_share(claim.groups[0][0])
    text = f"{100 * bound:g}%" if share else as_text(bound, share=False)
    return f"at {'least' if claim.at_most is None else 'most'} {text}"


def is_of_imagenet(verdict: Mapping[str, Any]) -> bool:
    """Whether a verdict is on a claim about ImageNet or its network, which are counted by themselves."""
    return verdict["metric"][0].startswith(("imagenet/", "parameters/inception_v3"))


def is_share(path: str) -> bool:
    """Whether the metric at a path is a share in [0, 1], which people read in percent."""
    return any(part in path.rpartition("/")[2] for part in ("accuracy", "error", "changed"))


def interval_of_mean(values: list[float]) -> list[float] | None:
    """The 95% interval of a mean by Student's t; None for fewer than two values or one that is not finite."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(special.stdtrit(len(values) - 1, 0.975)) * error
    return [mean - half, mean + half]


def _of_single(values: list[float], holds: Callable[[float], bool]) -> Judgement:
    mean = math.fsum(values) / len(values)
    return Judgement(mean, interval_of_mean(values), holds(mean))


def _value(claim: Claim, tolerance: Tolerance | None, measured: list[list[Measured]]) -> Judgement:
    return _of_single(measured[0][0].values, _near(claim, tolerance))


def _difference(claim: Claim, tolerance: Tolerance | None, measured: list[list[Measured]]) -> Judgement:
    return _of_single(list(_paired(measured, lambda first, second: first - second)), _near(claim, tolerance))


def _ratio(claim: Claim, tolerance: Tolerance | None, measured: list[list[Measured]]) -> Judgement:
    """The first over the second, which must come from runs that fit, as otherwise nothing is there to compare with."""
    ratios = list(_paired(measured, lambda a, b: a / b if b and math.isfinite(b) else math.inf))
    fitted = all(run.get("fitted", True) for run in measured[1][0].runs)
    return _of_single(ratios, lambda ours: fitted and math.isfinite(ours) and _within(claim)(ours))


def _bound(claim: Claim, tolerance: Tolerance | None, measured: list[list[Measured]]) -> Judgement:
    """The metric nearest to breaking the bound, or furthest beyond it."""
    worst = max if claim.at_most is not None else min
    nearest = worst((group[0] for group in measured), key=lambda one: one.mean)
    return _of_single(nearest.values, _within(claim))


def _ordering(claim: Claim, tolerance: Tolerance | None, measured: list[list[Measured]]) -> Judgement:
    """The smallest gap between neighbouring groups, which must be positive; what was never reached is in no order."""
    means = [[one.mean for one in group] for group in measured]
    gap = min(min(after) - max(before) for before, after in zip(means, means[1:], strict=False))
    if not all(map(math.isfinite, chain(*means))):
        gap = -math.inf
    return Judgement(gap, None, gap > 0)


def _monotone(claim: Claim, tolerance: Tolerance | None, measured: list[list[Measured]]) -> Judgement:
    """The smallest rise from one metric to the next: no fall beyond the tolerance; and the last is above the first.

    To what was never reached, and from it, there is no rise.
    """
    means = [group[0].mean for group in measured]
    rise = min(b - a for a, b in zip(means, means[1:], strict=False))
    if not all(map(math.isfinite, means)):
        rise = -math.inf
    return Judgement(rise, None, tolerance is not None and rise >= -tolerance.tolerance and means[-1] > means[0])


JUDGES = {
    "value": _value,
    "difference": _difference,
    "bound": _bound,
    "ratio": _ratio,
    "ordering": _ordering,
    "monotone": _monotone,
}


def _near(claim: Claim, tolerance: Tolerance | None) -> Callable[[float], bool]:
    if claim.paper is None or tolerance is None:
        raise ValueError(f"claim {claim.id} was not validated")
    allowed = tolerance.tolerance * (abs(claim.paper) if tolerance.relative else 1)
    paper = claim.paper
    # Rounding of decimal fractions is not a difference.
    return lambda ours: abs(ours - paper) <= allowed + 1e-12


def _within(claim: Claim) -> Callable[[float], bool]:
    low = -math.inf if claim.at_least is None else claim.at_least
    high = math.inf if claim.at_most is None else claim.at_most
    return lambda ours: low <= ours <= high


def _paired(measured: list[list[Measured]], combine: Callable[[float, float], float]) -> Iterator[float]:
    """Two metrics combined seed by seed where both have the same seeds, else their means."""
    first, second = measured[0][0], measured[1][0]
    same = [run.get("seed") for run in first.runs] == [run.get("seed") for run in second.runs]
    pairs = zip(first.values, second.values, strict=True) if same else [(first.mean, second.mean)]
    return (combine(a, b) for a, b in pairs)


def table(verdicts: list[dict[str, Any]]) -> str:
    """The verdicts as a Markdown table, with their intervals in brackets where there are several seeds."""
    shown = pd.DataFrame(
        {
            "claim": verdict["statement"],
            "verdict": verdict["verdict"],
            "paper": value_as_text(verdict, verdict["paper"]),
            "ours": ours_as_text(verdict),
        }
        for verdict in verdicts
    )
    counts = {name: sum(v["verdict"] == name for v in verdicts) for name in VERDICTS}
    return f"{markdown(shown, text_columns=2)}\n{', '.join(f'{count} {name}' for name, count in counts.items())}.\n"


def ours_as_text(verdict: Mapping[str, Any]) -> str:
    """Ours as a person reads it, with its interval over seeds; nothing where it was not run."""
    if verdict.get("never_reached"):
        return "never reached"
    if verdict["ours"] is None or math.isnan(verdict["ours"]):
        return "" if verdict["verdict"] == "not run" else "no number"
    interval = " to ".join(value_as_text(verdict, end) for end in verdict["interval"] or [])
    ours = OURS.get(verdict["kind"], "") + value_as_text(verdict, verdict["ours"])
    return ours + (f" ({interval})" if interval else "")


def value_as_text(verdict: Mapping[str, Any], value: Any) -> str:
    """A value of a claim as a person reads it: shares in percent, what lies between two shares in points."""
    share = verdict["kind"] != "ratio" and is_share(verdict["metric"][0])
    if share and verdict["kind"] in ("difference", *OURS) and isinstance(value, float):
        return f"{100 * value:.2f} points"
    return as_text(value, share)
