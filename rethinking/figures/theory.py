"""The figures of sections 4 and 5 on one data set."""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from rethinking.figures.style import AMBER, BLACK, BLUE, GREEN, ORANGE, PINK
from rethinking.paper.names import DATASETS, LABELLINGS
from rethinking.paper.published import RANDOM_PATCHES_ERROR, RANDOM_PATCHES_FILTERS

HUES = [BLUE, ORANGE, GREEN, PINK, AMBER, BLACK]
MARKERS = {"true_labels": "o", "true_labels_l2": "^", "random_labels": "x"}
# Results of one kernel by labelling, as collect_theory writes them.
Results = dict[str, dict[str, Any]]


def expressivity(rows: pd.DataFrame) -> Figure:
    """Accuracy, residual and condition number of the two-layer network against the number of points."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
    points = rows["points"]
    left.plot(points, rows["condition_number"], "o-", color=BLACK, label="condition number")
    left.plot(points, rows["largest_weight"], "s-", color=BLUE, label="largest weight")
    right.plot(points, rows["label_residual"], "o-", color=BLUE, label="random labels, float64")
    right.plot(points, rows["target_residual"], "s-", color=GREEN, label="real targets, float64")
    right.plot(points, rows["float32_label_residual"], "D-", color=ORANGE, label="random labels, float32")
    right.axhline(0.5, color=BLACK, linestyle=":", label="above, labels are missed")
    left.set_ylabel("in the construction")
    right.set_ylabel("largest residual of the evaluated network")
    for axes in (left, right):
        axes.set(xlabel="points n", xscale="log", yscale="log")
        axes.legend(fontsize=8)
    figure.suptitle("A two-layer network with 2n + d weights and any labels (Theorem 1)", fontsize=12)
    return figure


def minimum_norm(distances: pd.DataFrame, interpolants: pd.DataFrame) -> Figure:
    """The distance of gradient descent to the least-norm solution, and the test error of longer interpolants."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
    for (name, own), colour in zip(distances.groupby("run", sort=False), (BLUE, ORANGE), strict=True):
        left.plot(own["epoch"], own["distance"], color=colour, label=name)
    left.set(xlabel="epochs from zero", ylabel="relative distance to $X^T(XX^T)^{-1}y$", xscale="log", yscale="log")
    left.legend(fontsize=8)
    right.plot(interpolants["norm"], 100 * interpolants["test_error"], "o-", color=BLUE)
    right.set(xlabel="norm of the interpolant (leftmost: the least)", ylabel="test error (%)", ylim=(0, None))
    figure.suptitle("Gradient descent from zero and the interpolant of least norm (section 5)", fontsize=12)
    return figure


def random_signs(rows: pd.DataFrame, train_size: int) -> Figure:
    """How well linear models fit random signs, and their test error on true labels, against the number of features."""
    figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
    counts = rows["features"]
    complexity, spread = rows["complexity"], rows["complexity_std"]
    axes.errorbar(counts, complexity, spread, fmt="o-", color=BLUE, label="empirical Rademacher complexity")
    axes.plot(counts, (counts / train_size).clip(upper=1) ** 0.5, ":", color=BLACK, label=r"$\sqrt{D/n}$")
    axes.plot(counts, rows["random_label_accuracy"], "s-", color=ORANGE, label="random signs fitted")
    axes.plot(counts, rows["test_error"], "D--", color=GREEN, label="test error on true labels")
    axes.axvline(train_size, color=BLACK, alpha=0.4)
    axes.set(xlabel="random features D (line: D = n)", xscale="log", ylim=(0, 1.04))
    axes.legend(fontsize=8)
    axes.set_title("Fit of random signs", loc="left", fontsize=11)
    return figure


def kernels(search: pd.DataFrame, results: dict[str, Results]) -> Figure:
    """Held-out error over the bandwidths tried, and test error against norm.

    Where random patches ran with several numbers of filters, also their test error against that number.
    """
    patches = random_patches(results)
    rows = 2 if patches else 1
    figure = plt.figure(figsize=(9.5, 4 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, 2)
    bandwidth_search(figure.add_subplot(grid[0, 0]), search, list(results))
    errors_and_norms(figure.add_subplot(grid[0, 1]), results)
    if patches:
        errors_of_random_patches(figure.add_subplot(grid[1, :]), patches)
    for axes in figure.axes:
        axes.legend(fontsize=8)
    figure.suptitle("Gaussian kernels on true and on random labels (section 5)", fontsize=12)
    return figure


def random_patches(results: dict[str, Results]) -> list[tuple[int, Results]]:
    """Numbers of filters with the results, in order; nothing where no two numbers differ."""
    known = [(next(iter(own.values())).get("filters"), own) for own in results.values()]
    counted = sorted(((count, own) for count, own in known if count is not None), key=lambda pair: pair[0])
    return counted if len({count for count, _ in counted}) > 1 else []


def bandwidth_search(axes: Axes, search: pd.DataFrame, names: list[str]) -> None:
    """Held-out error over the bandwidths, a line for each kernel."""
    for colour, name in zip(HUES * 9, names, strict=False):
        tried = search[(search["features"] == name) & (search["ridge"] == 0)]
        held_out = 100 * tried["held_out_error"]
        axes.plot(tried["bandwidth"], held_out, "o-", color=colour, label=name.replace("_", " "))
    axes.set(xlabel="bandwidth", ylabel="error on held-out training images (%)", xscale="log")
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    axes.set_xticks(spaced(set(search["bandwidth"])))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelrotation=45)


def errors_and_norms(axes: Axes, results: dict[str, Results]) -> None:
    """Test error against norm, a colour for each kernel and a mark for each labelling."""
    for colour, own in zip(HUES * 9, results.values(), strict=False):
        for key, result in own.items():
            axes.plot(result["norm"], 100 * result["test_error"], MARKERS[key], color=colour, markersize=7)
    for key, marker in MARKERS.items():
        if any(key in own for own in results.values()):
            axes.plot([], [], marker, color=BLACK, label=LABELLINGS[key])
    axes.set(xlabel="norm of the solution", ylabel="test error (%)", xscale="log", ylim=(0, 100))
    axes.margins(x=0.1)
    narrow = axes.get_xlim()[1] < 20 * axes.get_xlim()[0]  # about one power of ten
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5) if narrow else (1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def errors_of_random_patches(axes: Axes, patches: list[tuple[int, Results]]) -> None:
    """Test error against the number of filters, with the paper's values where all of CIFAR-10 was interpolated."""
    ticks = {count for count, _ in patches}
    comparable = all(
        result["dataset"].partition("-")[0] == "cifar10" and result["train_size"] == DATASETS["cifar10"].train_size
        for _, own in patches
        for result in own.values()
    )
    for key, line, fill in (("true_labels", "-", "full"), ("true_labels_l2", "--", "none")):
        points = [(count, 100 * own[key]["test_error"]) for count, own in patches if key in own]
        look: dict[str, Any] = {"color": BLACK, "fillstyle": fill}
        if points:
            axes.plot(*zip(*points, strict=True), MARKERS[key] + line, label=LABELLINGS[key], **look)
        if comparable:
            error, label = 100 * RANDOM_PATCHES_ERROR[key], f"{LABELLINGS[key]}, paper"
            axes.plot([RANDOM_PATCHES_FILTERS], [error], "*", markersize=12, label=label, **look)
            ticks.add(RANDOM_PATCHES_FILTERS)
    axes.set(xlabel="random patches used as filters", ylabel="test error (%)", xscale="log")
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    axes.set_xticks(spaced(ticks))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def spaced(values: Iterable[float]) -> list[float]:
    """The values in order, without those whose labels would overlap the one before on a logarithmic axis."""
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value > 1.4 * kept[-1]:
            kept.append(value)
    return kept
