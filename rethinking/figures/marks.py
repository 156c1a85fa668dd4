"""What the paper's figures are drawn with: bands over seeds, marks for runs that never fitted or diverged, panels.

A filled mark is a run that fitted its training set (accuracy 0.999), an open one a run that did not, a cross one that
diverged. A line is the mean over seeds where every seed has a value, the band from their smallest to their largest.
"""

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rethinking.figures.style import GREY, WARNING, YELLOW, style_of, with_legend
from rethinking.paper.names import DATASETS, data_note, is_whole
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
ALL_IMAGES = "The numbers of others are of all {:,} images"
# Characters of a warning that fit above a panel.
WARNING_WIDTH = 60
# Points across a mark of ours.
MARK = 5.5


def panels(count: int, columns: int, panel: tuple[float, float], **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels of (width, height) inches, row by row."""
    columns = min(columns, count)
    rows = -(-count // columns)
    size = (max(columns * panel[0] + 0.3, 6.4), rows * panel[1] + 0.9)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained", **shared)
    for axes in grid.flat[count:]:
        axes.remove()
    return figure, list(grid.flat[:count])


def curve(rows: pd.DataFrame, x: str, y: str) -> pd.Series:
    """A column by another, without the rows that lack it: a run that diverged has none from then on."""
    return rows.set_index(x)[y].dropna()


def draw_mean(axes: Axes, values: pd.Series, colour: str, seeds: int = 1, **line_style: Any) -> None:
    """A line through the mean of the values at each x of their index, the band from the smallest to the largest there.

    Places with fewer values than `seeds` are left out.
    """
    places = values.groupby(level=0).agg(["mean", "min", "max", "count"])
    places = places[places["count"] >= seeds]
    axes.plot(places.index, places["mean"], color=colour, **line_style)
    if places["count"].max() > 1:
        axes.fill_between(places.index, places["min"], places["max"], color=colour, alpha=0.2, linewidth=0)


def draw_curves(
    axes: Axes,
    runs: Sequence[Run],
    curves: Sequence[pd.Series],
    colour: str,
    label: str,
    highest: float = math.inf,
    **line_style: Any,
) -> None:
    """The curves of runs that differ in their seed: their mean with a band, and how those end that did not fit.

    Seeds of unequal length, as runs end some epochs after they fit: the mean stops where the first ends, and a thin
    line shows how each goes on. Marks stand no higher than `highest`.
    """
    drawn = [(run, line) for run, line in zip(runs, curves, strict=True) if len(line)]
    if not drawn:
        return
    draw_mean(axes, pd.concat([line for _, line in drawn]), colour, len(drawn), label=label, **line_style)
    for run, line in drawn:
        if len(drawn) > 1:
            axes.plot(line.index, line, color=colour, alpha=0.3, linewidth=0.6)
        if run.outcome != "fitted":
            draw_mark(axes, line.index[-1], min(line.iloc[-1], highest), run, colour, "o", fitted=False)


def draw_mark(axes: Axes, x: float, y: float, run: Run, colour: str, marker: str, fitted: bool) -> None:
    """The mark of a run: filled where it fitted, else open; a cross where it diverged."""
    shape: dict[str, Any] = {"marker": marker, "markerfacecolor": colour if fitted else "white"}
    if run.metrics["diverged"]:
        shape = {"marker": "x"}
    axes.plot([x], [y], color=colour, linestyle="none", markersize=MARK, zorder=3, clip_on=False, **shape)


def explain_marks(axes: Axes, runs: Iterable[Run]) -> None:
    """Legend entries for the marks of runs that did not fit, where there are any."""
    outcomes = {run.outcome for run in runs}
    mark: dict[str, Any] = {"color": GREY, "markerfacecolor": "white", "linestyle": "none"}
    if "not fitted" in outcomes:
        axes.plot([], [], marker="o", label="not fitted (< 99.9%)", **mark)
    if "diverged" in outcomes:
        axes.plot([], [], marker="x", label="diverged", **mark)


def end_panel(axes: Axes, runs: Sequence[Run]) -> None:
    """Explain the marks of the runs that a panel shows, or say that it has none to show."""
    explain_marks(axes, runs)
    if not runs:
        axes.tick_params(left=False, labelleft=False)
        axes.grid(visible=False)
        axes.text(0.5, 0.5, "not run", transform=axes.transAxes, ha="center", va="center", color=GREY, fontsize=12)


def finish(
    figure: Figure, title: str, runs: Iterable[Run], columns: int = 3, others: str = "", compared: str = ""
) -> Figure:
    """Title, legend, and notes on which data the runs are from and on what has not run.

    `compared`: the data set on all of which the numbers of others beside ours are, even where ours are not.
    """
    runs = list(runs)
    on_subset = compared and not all(is_whole(run.metrics) for run in runs)
    all_images = ALL_IMAGES.format(DATASETS[compared].train_size) if on_subset else ""
    return with_legend(figure, title, "\n".join(filter(None, (data_note(runs), all_images, others))), columns)


def on_imagenet(runs: Iterable[Run]) -> bool:
    """Whether the paper's numbers on ImageNet say something of these runs, which may be on other images."""
    return all(run.metrics["dataset"] == "imagenet" for run in runs)


def style_of_run(run: Run) -> tuple[str, str]:
    """Label and colour of a run's corruption."""
    return style_of(run.metrics["kind"], run.metrics["level"])


def warn(axes: Axes, text: str, title: str = "") -> None:
    """Lines above a panel about what its curves do not show, and its title above them."""
    lines = textwrap.wrap(text, WARNING_WIDTH)
    axes.text(0.5, 1.01, "\n".join(lines), transform=axes.transAxes, ha="center", fontsize=7.5, color=WARNING)
    axes.set_title(title, fontsize=11, pad=5 + 9 * max(1, len(lines)))


def outcomes(runs: Iterable[Run]) -> str:
    """`diverged: ...; not fitted: ...` with the corruptions of the runs that ended so, or nothing."""
    found: dict[str, list[str]] = {"diverged": [], "not fitted": []}
    for run in runs:
        if run.outcome in found:
            found[run.outcome].append(style_of_run(run)[0].lower())
    return "; ".join(f"{outcome}: {', '.join(dict.fromkeys(names))}" for outcome, names in found.items() if names)
