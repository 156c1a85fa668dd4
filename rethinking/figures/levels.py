"""Figures against the level of label corruption: the paper's 1b and 1c, time to fit, batch size.

Nothing is extrapolated: a run that never fitted stands as an open mark at the number of epochs it was given, with an
arrow, as its time to fit is longer than that.
"""

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rethinking.figures.marks import (
    PAPER,
    PAPER_LABEL,
    draw_means,
    draw_points,
    explain_marks,
    finish,
    name_series,
    not_run,
    panels,
    warn,
)
from rethinking.figures.style import ARCHS, BLUE, GREEN, GREY, ORANGE, YELLOW
from rethinking.paper.names import arch_name
from rethinking.paper.published import LARGEST_SLOWDOWN, TABLE_1
from rethinking.results.runs import PLAIN, Run, by_level, has_final_test, select

IN_FIGURE_1 = ("inception", "alexnet", "mlp_1x512")
ALL = tuple(arch for arch in ARCHS if arch != "inception_nobn")

Entry = tuple[str, str, str, list[Run]]  # label, colour, marker, runs


def figure_1b(runs: list[Run]) -> Figure:
    """Epochs to fit as a multiple of those on true labels with the same seed, in the paper's three architectures."""
    figure, (axes,) = panels(1, 1, (6.4, 3.8))
    series = _series(runs, IN_FIGURE_1)
    axes.axhspan(1, LARGEST_SLOWDOWN, color=YELLOW, alpha=0.18, linewidth=0, label=f"{PAPER_LABEL}: 1x to about 4x")
    shown: list[Run] = []
    without_reference = []
    for label, colour, marker, members in series:
        reference = {run.seed: run.metrics["epochs_to_fit"] for run in members if run.level == 0}
        relative = [run for run in members if reference.get(run.seed)]
        without_reference += [label] * (len(relative) < len(members))
        _draw_times(
            axes, (label, colour, marker, relative), {run.name.text: 1 / reference[run.seed] for run in relative}
        )
        shown += relative
    axes.set(xlabel="label corruption", ylabel="epochs to fit / those on true labels", xlim=(-0.03, 1.03))
    _from_zero(axes)
    if without_reference:
        warn(axes, f"no fitted run on true labels to compare with: {', '.join(without_reference)}")
    return _end(figure, [axes], "Figure 1b: slowdown of fitting corrupted labels", shown, compared=True)


def figure_1c(runs: list[Run]) -> Figure:
    """Test error at the end of training, with the paper's numbers at both ends."""
    figure, (axes,) = panels(1, 1, (6.4, 4.0))
    series = _series(runs, ALL)
    for label, colour, marker, members in series:
        _draw_errors(axes, (label, colour, marker, members), dashed=label not in map(arch_name, IN_FIGURE_1))
    for row in TABLE_1:
        if row.variant == PLAIN and row.arch in ALL and row.test is not None:
            level = 0.0 if row.corruption == "none" else 1.0
            name = arch_name(row.arch)
            only = "" if name in [label for label, *_ in series] else f"{name}, {PAPER_LABEL} only"
            axes.plot([level], [100 * (1 - row.test)], label=only, **PAPER | {"color": ARCHS[row.arch][0]})
    axes.plot([], [], **PAPER | {"clip_on": True}, label=f"{PAPER_LABEL} (table 1)")
    axes.axhline(90, color=GREY, linestyle=":", linewidth=1, label="chance")
    axes.set(xlabel="label corruption", ylabel="test error (%)", xlim=(-0.03, 1.03), ylim=(0, 100))
    shown = [run for entry in series for run in entry[3]]
    return _end(figure, [axes], "Figure 1c: test error against label corruption", shown, compared=True)


def test_error(runs: list[Run]) -> Figure:
    """Test error against the level of label corruption, as in figure 1c, of the architectures of a pipeline."""
    figure, (axes,) = panels(1, 1, (6.4, 4.0))
    series = _series(runs, dict.fromkeys(run.arch for run in runs))
    for entry in series:
        _draw_errors(axes, entry)
    axes.set(xlabel="label corruption", ylabel="test error (%)", xlim=(-0.03, 1.03), ylim=(0, 100))
    shown = [run for entry in series for run in entry[3]]
    return _end(figure, [axes], "Test error against label corruption (as figure 1c)", shown)


def time_to_fit(runs: list[Run]) -> Figure:
    """Epochs until the training set is fitted, for every architecture."""
    figure, (axes,) = panels(1, 1, (6.4, 4.0))
    series = _series(runs, ALL)
    for entry in series:
        _draw_times(axes, entry)
    axes.set(xlabel="label corruption", ylabel="epochs to 99.9% train accuracy", xlim=(-0.03, 1.03))
    _from_zero(axes)
    return _end(figure, [axes], "Time to fit against label corruption", [r for s in series for r in s[3]])


def batch_size(runs: list[Run]) -> Figure:
    """Inception at batch sizes 32, 64 and 128: epochs to fit and test error against the level."""
    figure, grid = panels(2, 2, (3.6, 3.0))
    variants = (("batch_size-32", "32", ORANGE, "s"), ("batch_size-64", "64", GREEN, "D"))
    styles = (*variants, (PLAIN, "128", BLUE, "o"))
    series = [(f"batch size {n}", c, m, _on_labels(select(runs, "inception", None, v))) for v, n, c, m in styles]
    series = [entry for entry in series if entry[3]]
    for entry in series:
        _draw_times(grid[0], entry)
        _draw_errors(grid[1], entry)
    grid[0].set(ylabel="epochs to 99.9% train accuracy")
    _from_zero(grid[0])
    grid[1].set(ylabel="test error (%)", ylim=(0, 100))
    for axes in grid:
        axes.set(xlabel="label corruption", xlim=(-0.03, 1.03))
    return _end(figure, grid, "Inception at three batch sizes", [r for s in series for r in s[3]])


def _series(runs: list[Run], archs: Iterable[str]) -> list[Entry]:
    """The runs of each architecture on labels, with their style; architectures without any are left out."""
    styles = {arch: ARCHS.get(arch, (f"C{number}", "o")) for number, arch in enumerate(archs)}
    found = [(arch_name(arch), *style, _on_labels(select(runs, arch))) for arch, style in styles.items()]
    return [entry for entry in found if entry[3]]


def _on_labels(runs: list[Run]) -> list[Run]:
    return [run for seeds in by_level(runs).values() for run in seeds]


def _draw_times(axes: Axes, entry: Entry, scales: dict[str, float] | None = None) -> None:
    """Epochs to fit, scaled run by run where asked: a line over levels that every seed fitted, arrows at the others."""
    label, colour, marker, members = entry
    points: list[tuple[float, float, Run, bool]] = []
    for run in members:
        fit = run.metrics["epochs_to_fit"]
        value = (run.metrics["epochs"] if fit is None else fit) * (scales or {}).get(run.name.text, 1)
        points.append((run.level or 0.0, value, run, fit is not None))
        if fit is None:
            longer = {"arrowstyle": "<-", "color": colour}
            axes.annotate("", (run.level, value), (0, 20), textcoords="offset points", arrowprops=longer)
    unfitted_levels = {x for x, _, _, fitted in points if not fitted}
    draw_means(axes, [(x, y) for x, y, *_ in points if x not in unfitted_levels], colour)
    draw_points(axes, points, colour, marker)
    name_series(axes, label, colour, marker)


def _from_zero(axes: Axes) -> None:
    """Begin the y axis at zero and leave room for the arrows above the highest mark."""
    axes.set_ylim(0, 1.1 * axes.get_ylim()[1])


def _draw_errors(axes: Axes, entry: Entry, dashed: bool = False) -> None:
    """Test error in percent against level."""
    label, colour, marker, members = entry
    points = [
        (run.level or 0.0, 100 * (1 - run.metrics["test_accuracy"]), run, run.metrics["fitted"])
        for run in members
        if has_final_test(run.metrics)
    ]
    line = "--" if dashed else "-"
    draw_means(axes, [(x, y) for x, y, *_ in points], colour, linestyle=line)
    draw_points(axes, points, colour, marker)
    name_series(axes, label, colour, marker, linestyle=line)


def _end(figure: Figure, grid: list[Axes], title: str, shown: list[Run], compared: bool = False) -> Figure:
    explain_marks(grid[0], shown)
    if not shown:
        for axes in grid:
            not_run(axes)
    return finish(figure, title, shown, compared=compared)
