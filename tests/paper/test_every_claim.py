"""Every claim of claims.yaml can hold and can fail: inside its tolerance it is reproduced, just outside it differs."""

import pytest

from rethinking.paper.claims import load_claims
from rethinking.paper.names import DATASETS
from rethinking.paper.verdicts import judge
from tests.conftest import ROOT
from tests.results.made import results_of

CLAIMS = load_claims(ROOT / "paper/claims.yaml")
STEP = 0.1


def results(values, **changes):
    """Summaries that hold these values at these paths, on whole training sets unless changed."""
    summaries = {}
    for path, value in values.items():
        *keys, name = path.split("/")
        run = summaries
        for key in keys:
            run = run.setdefault(key, {})
        if keys[0] != "parameters":
            dataset = {"theory": keys[1]}.get(keys[0], keys[0])
            run |= {"dataset": dataset, "train_size": DATASETS[dataset].train_size, "seed": 0}
        run |= changes
        run |= {"test_accuracy": 1 - value} if name == "test_error" else {name: value}
    return results_of(summaries)


def paths(claim):
    return [path for group in claim.groups for path in group]


def allowed(claim):
    tolerance = CLAIMS.tolerance_of(claim)
    return tolerance.tolerance * (abs(claim.paper) if tolerance.relative else 1)


def around(value, inside, outside):
    return [value + inside, value - inside], [value + outside, value - outside]


def value(claim):
    inside, outside = 0.99 * allowed(claim), 1.01 * allowed(claim) or 1
    return [[{paths(claim)[0]: number} for number in numbers] for numbers in around(claim.paper, inside, outside)]


def difference(claim):
    first, second = paths(claim)
    numbers = around(claim.paper, 0.99 * allowed(claim), 1.01 * allowed(claim))
    return [[{first: 0.5 + number, second: 0.5} for number in side] for side in numbers]


def bound(claim):
    limit, beyond = (claim.at_most, 1.01) if claim.at_most is not None else (claim.at_least, 0.99)
    at_limit = dict.fromkeys(paths(claim), limit)
    return [at_limit], [at_limit | {path: beyond * limit} for path in paths(claim)]


def ratio(claim):
    first, second = paths(claim)
    return [[{first: factor * claim.at_most * 20, second: 20}] for factor in (1, 1.01)]


def ordering(claim):
    groups = claim.groups
    right = {path: 1 + place for place, group in enumerate(groups) for path in group}
    tied = [right | {path: 1} for path in groups[-1]]
    return [right], [*tied, *(right | {path: len(groups)} for path in groups[0])]


def monotone(claim):
    fall = CLAIMS.tolerance_of(claim).tolerance
    rising = {path: STEP + place * 2 * fall for place, path in enumerate(paths(claim))}
    dips = [
        rising | {after: rising[before] - 1.01 * fall}
        for before, after in zip(paths(claim), paths(claim)[1:], strict=False)
    ]
    return [rising], [*dips, dict.fromkeys(rising, STEP)]


KINDS = (value, difference, bound, ratio, ordering, monotone)


@pytest.mark.parametrize("claim", CLAIMS.claims, ids=lambda claim: claim.id)
def test_a_claim_holds_inside_its_tolerance_and_differs_just_outside(claim):
    holding, failing = next(kind for kind in KINDS if kind.__name__ == claim.kind)(claim)
    for values in holding:
        assert judge(CLAIMS, claim, results(values))["verdict"] == "reproduced"
    for values in failing:
        assert judge(CLAIMS, claim, results(values))["verdict"] == "differs", values
    if not claim.groups[0][0].startswith("parameters/"):
        on_subset = judge(CLAIMS, claim, results(holding[0], train_size=5000))["verdict"]
        assert on_subset == ("reproduced" if claim.any_size else "not run")
    for path in paths(claim):
        without = {other: number for other, number in holding[0].items() if other != path}
        assert judge(CLAIMS, claim, results(without))["verdict"] == "not run"
