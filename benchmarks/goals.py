"""What the engine is meant to reach on 2 CPU cores with bf16 arithmetic and on one H200, beside what a report found."""

from collections.abc import Callable
from typing import Any, NamedTuple

Result = dict[str, Any]


class Goal(NamedTuple):
    """A number of one architecture's result: what it is, how to read it, and the least or most that it should be."""

    arch: str
    what: str
    read: Callable[[Result], float]
    bound: float
    at_most: bool = False
    form: str = "{:.1f}x"


def _speed(result: Result) -> float:
    return float(result["images_per_second"][result["best"]])


def _against_common(result: Result) -> float:
    return float(result["ratio_to_common"])


def _against_resident(result: Result) -> float:
    return float(result["ratio_to_resident"])


def _share_of_limit(result: Result) -> float:
    return float(result["share_of_limit"])


def _evaluation(result: Result) -> float:
    return float(result["evaluation_share"])


COMMON, RESIDENT = "speed of the common loop (a)", "speed of resident float32 (b)"
LIMIT, IMAGES, EVALUATION = "share of the limit", "images per second", "an epoch's evaluation adds"
H200_SPEEDS = {"inception": 80_000, "alexnet": 400_000, "mlp_1x512": 2_000_000, "wrn_28_1": 100_000}
GOALS = {
    "cpu": [
        Goal("mlp_1x512", COMMON, _against_common, 10),
        Goal("wrn_28_1", COMMON, _against_common, 2),
        Goal("inception", RESIDENT, _against_resident, 2.3),
        Goal("inception", LIMIT, _share_of_limit, 0.65, form="{:.0%}"),
        Goal("alexnet", LIMIT, _share_of_limit, 0.45, form="{:.0%}"),
    ],
    "cuda": [
        *(Goal(arch, IMAGES, _speed, speed, form="{:,.0f}") for arch, speed in H200_SPEEDS.items()),
        *(Goal(arch, COMMON, _against_common, 20) for arch in H200_SPEEDS),
        *(Goal(arch, EVALUATION, _evaluation, 0.25, at_most=True, form="{:.0%}") for arch in H200_SPEEDS),
    ],
}


def table(device: str, results: dict[str, Result]) -> str:
    """Each goal for a kind of device beside what was measured, as Markdown; empty where there is none."""
    lines = []
    for goal in GOALS.get(device, []):
        if goal.arch in results:
            found = goal.read(results[goal.arch])
            met = found <= goal.bound if goal.at_most else found >= goal.bound
            asked = f"at {'most' if goal.at_most else 'least'} {goal.form.format(goal.bound)}"
            verdict = "met" if met else "missed"
            lines.append(f"| {goal.arch} | {goal.what} | {asked} | {goal.form.format(found)} | {verdict} |")
    head = ["| architecture | measure | goal | measured | |", "| --- | --- | ---: | ---: | --- |"]
    return "\n".join([*head, *lines]) + "\n" if lines else ""
