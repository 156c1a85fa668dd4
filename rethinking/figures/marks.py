"""What the paper's figures are drawn with: bands over seeds, marks for runs that never fitted or diverged, panels.

A filled mark is a run that fitted its training set (accuracy 0.999), an open one a run that did not, a cross one that
diverged. A line is the mean over seeds where every seed has a value, the band from their smallest to their largest.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rethinking.figures.style import GREY, WARNING, YELLOW, style_of, with_legend
from rethinking.paper.names import data_note, is_whole
from rethinking.results.runs import Run

# The paper's value: a star that is larger than our marks and lies behind them.
PAPER: dict[str, Any] = {
    "color": "black",
    "marker": "*",
    "markersize": 14,
    "markeredgewidth": 0.8,
    "markerfacecolor": YELLOW,
    "linestyle": "none",
    "zorder": 2,
    "clip_on": False,
}
PAPER_LABEL = "the paper"
# Said where runs on a subset stand beside numbers that are not.
ALL_IMAGES = "The numbers of others are of all 50,000 images"
# Points across a mark of ours.
MARK = 5.5

Line = list[tuple[float, float]]


def panels(count: int, columns: int, panel: tuple[float, float], **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels of (width, height) inches, row by row."""
    columns = min(columns, count)
    rows = -(-count // columns)
    size = (max(columns * panel[0] + 0.3, 6.4), rows * panel[1] + 0.9)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained", **shared)
    for axes in grid.flat[count:]:
        axes.remove()
    return figure, list(grid.flat[:count])


def not_run(axes: Axes) -> None:
    """Say that a panel has no runs to show."""
    axes.text(0.5, 0.5, "not run", transform=axes.transAxes, ha="center", va="center", color=GREY, fontsize=12)


def curve(rows: pd.DataFrame, x: str, y: str, x_scale: float = 1, y_scale: float = 1) -> Line:
    """The points (x, y) of rows that have a y: a run that diverged has none from then on."""
    there = rows.dropna(subset=[y])
    return list(zip(there[x] * x_scale, there[y] * y_scale, strict=True))


def draw_band(axes: Axes, lines: Sequence[Line], colour: str, label: str, **line_style: Any) -> None:
    """The mean line and the band from smallest to largest of several seeds; with one seed, its line.

    Seeds of unequal length, as runs end some epochs after they fit: the mean stops where the first ends, and a thin
    line shows how each goes on.
    """
    lines = [line for line in lines if line]
    if not lines:
        return
    values: dict[float, list[float]] = {}
    for x, y in (point for line in lines for point in line):
        values.setdefault(x, []).append(y)
    common = sorted(x for x, found in values.items() if len(found) == len(lines))
    axes.plot(common, [np.mean(values[x]) for x in common], color=colour, label=label, **line_style)
    if len(lines) > 1:
        low, high = ([bound(values[x]) for x in common] for bound in (min, max))
        axes.fill_between(common, low, high, color=colour, alpha=0.2, linewidth=0)
        for line in lines:
            axes.plot(*zip(*line, strict=True), color=colour, alpha=0.3, linewidth=0.6)


def draw_means(axes: Axes, points: Line, colour: str, **line_style: Any) -> None:
    """A line through the mean of the points at each x, the band from the smallest to the largest there.

    Not every x may have as many seeds as the others.
    """
    values: dict[float, list[float]] = {}
    for x, y in points:
        values.setdefault(x, []).append(y)
    places = sorted(values)
    axes.plot(places, [np.mean(values[x]) for x in places], color=colour, **line_style)
    if len(points) > len(places):
        low, high = ([bound(values[x]) for x in places] for bound in (min, max))
        axes.fill_between(places, low, high, color=colour, alpha=0.2, linewidth=0)


def draw_points(axes: Axes, points: Iterable[tuple[float, float, Run, bool]], colour: str, marker: str) -> None:
    """A mark per run at (x, y): filled where the flag says that it fitted, else open; a cross where it diverged."""
    for x, y, run, fitted in points:
        shape: dict[str, Any] = {"marker": marker, "markerfacecolor": colour if fitted else "white"}
        if run.metrics["diverged"]:
            shape = {"marker": "x"}
        axes.plot([x], [y], color=colour, linestyle="none", markersize=MARK, zorder=3, clip_on=False, **shape)


def name_series(axes: Axes, label: str, colour: str, marker: str, **line_style: Any) -> None:
    """The legend's entry for a series: its line with its mark."""
    axes.plot([], [], color=colour, marker=marker, markersize=MARK, label=label, **line_style)


def mark_ends(axes: Axes, run: Run, line: Line, colour: str) -> None:
    """An open mark at the end of the curve of a run that never fitted, a cross where it diverged."""
    if run.outcome != "fitted" and line:
        draw_points(axes, [(*line[-1], run, False)], colour, "o")


def explain_marks(axes: Axes, runs: Iterable[Run]) -> None:
    """Legend entries for the marks of runs that did not fit, where there are any."""
    outcomes = {run.outcome for run in runs}
    if "not fitted" in outcomes:
        axes.plot(
            [], [], color=GREY, marker="o", markerfacecolor="white", linestyle="none", label="not fitted (< 99.9%)"
        )
    if "diverged" in outcomes:
        axes.plot([], [], color=GREY, marker="x", linestyle="none", label="diverged")


def finish(
    figure: Figure, title: str, runs: Iterable[Run], columns: int = 3, others: str = "", compared: bool = False
) -> Figure:
    """Title, legend, and notes on which data the runs are from and on what has not run.

    `compared`: numbers of others stand beside ours, which are of all images even where ours are not.
    """
    runs = list(runs)
    all_images = ALL_IMAGES if compared and not all(is_whole(run.metrics) for run in runs) else ""
    return with_legend(figure, title, "\n".join(filter(None, (data_note(runs), all_images, others))), columns)


def style_of_run(run: Run) -> tuple[str, str]:
    """Label and colour of a run's corruption."""
    return style_of(run.metrics["kind"], run.metrics["level"])


def warn(axes: Axes, text: str) -> None:
    """A line above a panel about what its curves do not show."""
    if text:
        axes.text(0.5, 1.01, text, transform=axes.transAxes, ha="center", fontsize=7.5, color=WARNING)


def outcomes(runs: Iterable[Run]) -> str:
    """`diverged: ...; not fitted: ...` with the corruptions of the runs that ended so, or nothing."""
    found: dict[str, list[str]] = {"diverged": [], "not fitted": []}
    for run in runs:
        if run.outcome in found:
            found[run.outcome].append(style_of_run(run)[0].lower())
    return "; ".join(f"{outcome}: {', '.join(dict.fromkeys(names))}" for outcome, names in found.items() if names)
