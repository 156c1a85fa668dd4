"""What the engine is meant to reach on 2 CPU cores with bf16 arithmetic and on one H200, beside what a report found."""

from typing import Any, NamedTuple

Result = dict[str, Any]


class Goal(NamedTuple):
    """A number of one architecture's result: its key, and the least that it should be."""

    arch: str
    key: str
    bound: float


# Each number that has a goal, in words, and its form.
MEASURES = {
    "ratio_to_common": ("speed of the common loop (a)", "{:.1f}x"),
    "ratio_to_resident": ("speed of resident float32 (b)", "{:.1f}x"),
    "share_of_limit": ("share of the limit", "{:.0%}"),
    "best_speed": ("images per second", "{:,.0f}"),
}
H200_SPEEDS = {"inception": 80_000, "alexnet": 400_000, "mlp_1x512": 2_000_000, "wrn_28_1": 100_000}
GOALS = {
    "cpu": [
        Goal("mlp_1x512", "ratio_to_common", 12),
        Goal("mlp_3x512", "ratio_to_common", 9),
        Goal("wrn_28_1", "ratio_to_common", 2),
        Goal("inception", "ratio_to_resident", 2.3),
        Goal("inception", "share_of_limit", 0.67),
        Goal("alexnet", "share_of_limit", 0.45),
    ],
    "cuda": [
        *(Goal(arch, "best_speed", speed) for arch, speed in H200_SPEEDS.items()),
        *(Goal(arch, "ratio_to_common", 20) for arch in H200_SPEEDS),
    ],
}


def table(device: str, results: dict[str, Result]) -> str:
    """Each goal for a kind of device beside what was measured, as Markdown; empty where there is none."""
    lines = []
    for goal in GOALS.get(device, []):
        if goal.arch in results:
            result = results[goal.arch]
            found = {**result, "best_speed": result["images_per_second"][result["best"]]}[goal.key]
            words, form = MEASURES[goal.key]
            bound, met = form.format(goal.bound), "met" if found >= goal.bound else "missed"
            lines.append(f"| {goal.arch} | {words} | {bound} | {form.format(found)} | {met} |")
    head = ["| architecture | measure | at least | measured | |", "| --- | --- | ---: | ---: | --- |"]
    return "\n".join([*head, *lines]) + "\n" if lines else ""
