"""Figures against the level of label corruption: the paper's 1b and 1c, time to fit, batch size.

Nothing is extrapolated: a run that never fitted stands as an open mark at the number of epochs it was given, with an
arrow, as its time to fit is longer than that.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rethinking.core.run_name import PLAIN
from rethinking.figures.marks import (
    MARK,
    PAPER,
    PAPER_LABEL,
    draw_mark,
    draw_mean,
    end_panel,
    finish,
    panels,
    warn,
)
from rethinking.figures.style import ARCHS, BLUE, GREEN, GREY, ORANGE, YELLOW
from rethinking.paper.names import arch_name
from rethinking.paper.published import LARGEST_SLOWDOWN, TABLE_1, TABLE_4
from rethinking.results.runs import Run, by_level, has_final_test, select

IN_FIGURE_1 = ("inception", "alexnet", "mlp_1x512")
ALL = tuple(arch for arch in ARCHS if arch != "inception_nobn")
EPOCHS_TO_FIT = "epochs to 99.9% train accuracy"


Point = tuple[Run, float, bool]  # a run on labels, its value, whether that was reached


class Series(NamedTuple):
    """The runs on labels that one line joins, and how it looks."""

    label: str
    colour: str
    marker: str
    runs: list[Run]


def figure_1b(runs: list[Run]) -> Figure:
    """Epochs to fit as a multiple of those on true labels with the same seed, in the paper's three architectures."""
    figure, (axes,) = panels(1, 1, (6.4, 3.8))
    axes.axhspan(1, LARGEST_SLOWDOWN, color=YELLOW, alpha=0.18, linewidth=0, label=f"{PAPER_LABEL}: 1x to about 4x")
    shown: list[Run] = []
    without_reference = []
    for series in _by_arch(runs, IN_FIGURE_1):
        reference = {run.seed: run.metrics["epochs_to_fit"] for run in series.runs if run.level == 0}
        relative = [run for run in series.runs if reference.get(run.seed)]
        without_reference += [series.label] * (len(relative) < len(series.runs))
        _draw_times(axes, series._replace(runs=relative), {run.seed: 1 / reference[run.seed] for run in relative})
        shown += relative
    _label(axes, "epochs to fit / those on true labels")
    if without_reference:
        warn(axes, f"no fitted run on true labels to compare with: {', '.join(without_reference)}")
    end_panel(axes, shown)
    return finish(figure, "Figure 1b: slowdown of fitting corrupted labels", shown, compared="cifar10")


def figure_1c(runs: list[Run]) -> Figure:
    """Test error at the end of training, with the paper's numbers at both ends."""
    figure, (axes,) = panels(1, 1, (6.4, 4.0))
    drawn = _by_arch(runs, ALL)
    for series in drawn:
        _draw_errors(axes, series, "-" if series.label in map(arch_name, IN_FIGURE_1) else "--")
    for row in TABLE_1:
        if row.variant == PLAIN and row.arch in ALL and row.test is not None:
            level = 0.0 if row.corruption == "none" else 1.0
            name = arch_name(row.arch)
            only = "" if name in [series.label for series in drawn] else f"{name}, {PAPER_LABEL} only"
            axes.plot([level], [100 * (1 - row.test)], label=only, **PAPER | {"color": ARCHS[row.arch][0]})
    axes.plot([], [], **PAPER | {"clip_on": True}, label=f"{PAPER_LABEL} (table 1)")
    axes.axhline(90, color=GREY, linestyle=":", linewidth=1, label="chance")
    _label(axes, "test error (%)", 100)
    end_panel(axes, shown := _runs_of(drawn))
    return finish(figure, "Figure 1c: test error against label corruption", shown, compared="cifar10")


def test_error(runs: list[Run]) -> Figure:
    """Test error against the level of label corruption, as in figure 1c, of the architectures of a pipeline."""
    figure, (axes,) = panels(1, 1, (6.4, 4.0))
    drawn = _by_arch(runs, dict.fromkeys(run.arch for run in runs))
    for series in drawn:
        _draw_errors(axes, series)
    _label(axes, "test error (%)", 100)
    end_panel(axes, shown := _runs_of(drawn))
    return finish(figure, "Test error against label corruption (as figure 1c)", shown)


def time_to_fit(runs: list[Run]) -> Figure:
    """Epochs until the training set is fitted, for every architecture."""
    figure, (axes,) = panels(1, 1, (6.4, 4.0))
    drawn = _by_arch(runs, ALL)
    for series in drawn:
        _draw_times(axes, series)
    _label(axes, EPOCHS_TO_FIT)
    end_panel(axes, shown := _runs_of(drawn))
    return finish(figure, "Time to fit against label corruption", shown)


def batch_size(runs: list[Run]) -> Figure:
    """Inception at batch sizes 32, 64 and 128: epochs to fit and test error against the level."""
    figure, (times, errors) = panels(2, 2, (3.6, 3.0))
    variants = {"batch_size-32": ("32", ORANGE, "s"), "batch_size-64": ("64", GREEN, "D"), PLAIN: ("128", BLUE, "o")}
    drawn = []
    for variant, (size, colour, marker) in variants.items():
        if members := _on_labels(select(runs, "inception", None, variant)):
            drawn.append(Series(f"batch size {size}", colour, marker, members))
            _draw_times(times, drawn[-1])
            _draw_errors(errors, drawn[-1])
    _label(times, EPOCHS_TO_FIT)
    _label(errors, "test error (%)", 100)
    shown = _runs_of(drawn)
    for axes in (times, errors):
        end_panel(axes, shown)
    return finish(figure, "Inception at three batch sizes", shown)


def batch_size_mlp(runs: list[Run]) -> Figure:
    """MLP 1x512 at four batch sizes, with and without weight decay: final accuracies beside the paper's numbers."""
    figure, grid = panels(3, 3, (3.3, 3.0))
    values = (("labels-1.0", "train"), ("none", "train"), ("none", "test"))
    shown: list[Run] = []
    for axes, (corruption, split) in zip(grid, values, strict=True):
        in_panel: list[Run] = []
        for decay, colour, marker in ((False, BLUE, "o"), (True, ORANGE, "s")):
            label = "weight decay" if decay else "no regulariser"
            members = [
                (size, run)
                for size in (32, 64, 128, 256)
                for run in select(runs, "mlp_1x512", corruption, _variant(size, decay))
            ]
            percent = [100 * run.metrics[f"{split}_accuracy"] for _, run in members]
            if members:
                draw_mean(axes, pd.Series(percent, [size for size, _ in members]), colour, label=label)
            for (size, run), value in zip(members, percent, strict=True):
                draw_mark(axes, size, value, run, colour, marker, run.metrics["fitted"])
            in_panel += [run for _, run in members]
            row = next(row for row in TABLE_1 + TABLE_4 if row[:3] == ("mlp_1x512", corruption, _variant(128, decay)))
            published = 100 * (getattr(row, split) or 0)
            axes.axhline(published, color=colour, linestyle=":", label=f"{PAPER_LABEL}, {label}")
        axes.set_title(
            f"{split} accuracy, {'random' if corruption == 'labels-1.0' else 'true'} labels (%)", fontsize=10
        )
        axes.set_xscale("log", base=2)
        axes.set_xlim(28, 290)
        axes.set_xticks([32, 64, 128, 256], ["32", "64", "128", "256"])
        axes.set_xlabel("batch size")
        end_panel(axes, in_panel)
        shown += in_panel
    return finish(figure, "MLP 1x512 at four batch sizes", shown, compared="cifar10")


def _variant(batch_size: int, weight_decay: bool) -> str:
    """The variant of the grid with that batch size, of which 128 goes without saying."""
    parts = [f"batch_size-{batch_size}"] * (batch_size != 128) + ["weight_decay"] * weight_decay
    return "+".join(parts) or PLAIN


def _by_arch(runs: list[Run], archs: Iterable[str]) -> list[Series]:
    """A series for each architecture that has runs on labels."""
    styles = {arch: ARCHS.get(arch, (f"C{number}", "o")) for number, arch in enumerate(archs)}
    found = [Series(arch_name(arch), *style, _on_labels(select(runs, arch))) for arch, style in styles.items()]
    return [series for series in found if series.runs]


def _on_labels(runs: list[Run]) -> list[Run]:
    return [run for seeds in by_level(runs).values() for run in seeds]


def _runs_of(drawn: list[Series]) -> list[Run]:
    return [run for series in drawn for run in series.runs]


def _draw_times(axes: Axes, series: Series, scales: Mapping[int, float] | None = None) -> None:
    """Epochs to fit, scaled by seed where asked: a line over levels that every seed fitted, arrows at the others."""
    points = []
    for run in series.runs:
        fit = run.metrics["epochs_to_fit"]
        value = (run.metrics["epochs"] if fit is None else fit) * (scales[run.seed] if scales else 1)
        points.append((run, value, fit is not None))
        if fit is None:
            longer = {"arrowstyle": "<-", "color": series.colour}
            axes.annotate("", (run.level, value), (0, 20), textcoords="offset points", arrowprops=longer)
    unfitted_levels = {run.level for run, _, fitted in points if not fitted}
    _draw(axes, series, points, [point for point in points if point[0].level not in unfitted_levels])


def _draw_errors(axes: Axes, series: Series, linestyle: str = "-") -> None:
    """Test error in percent."""
    final = [run for run in series.runs if has_final_test(run.metrics)]
    points = [(run, 100 * (1 - run.metrics["test_accuracy"]), run.metrics["fitted"]) for run in final]
    _draw(axes, series, points, points, linestyle)


def _draw(axes: Axes, series: Series, points: list[Point], joined: list[Point], linestyle: str = "-") -> None:
    """A mark for each point and a line through the means of those that are to be joined."""
    label, colour, marker, _ = series
    levels = [run.level for run, *_ in joined]
    draw_mean(axes, pd.Series([value for _, value, _ in joined], levels, float), colour, linestyle=linestyle)
    for run, value, fitted in points:
        draw_mark(axes, run.level or 0.0, value, run, colour, marker, fitted)
    axes.plot([], [], color=colour, marker=marker, markersize=MARK, label=label, linestyle=linestyle)


def _label(axes: Axes, ylabel: str, highest: float | None = None) -> None:
    """Name the axes; y from zero to the highest, or to where there is room for the arrows above the highest mark."""
    ylim = (0, 1.1 * axes.get_ylim()[1] if highest is None else highest)
    axes.set(xlabel="label corruption", ylabel=ylabel, xlim=(-0.03, 1.03), ylim=ylim)
