"""The figures of one pipeline: curves of accuracy and loss, test error against level, what is learned first."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rethinking.figures.style import ARCHS, SUBSETS, Metrics, outcomes, style_of, with_legend
from rethinking.paper.names import NAMES
from rethinking.results.runs import Curves


def flatten(summary: Metrics) -> dict[str, Metrics]:
    """The metrics of each run by the run's name, from a summary nested by architecture, and corruption and seed."""
    runs: dict[str, Metrics] = {}
    for arch, value in summary.items():
        if "arch" in value:
            runs[arch] = value
        else:
            for corruption, seeds in value.items():
                for metrics in seeds.values():
                    runs[f"{arch}-{corruption}"] = metrics
    return runs


def learning_curves(runs: dict[str, Metrics], curves: Curves) -> Figure:
    """Train (solid) and test (dashed) accuracy over epochs, a panel per architecture, a colour per corruption."""
    figure, panels = panels_by_arch(runs)
    for axes, (_, members) in panels:
        for name, metrics in members.items():
            label, colour = style_of(metrics)
            epochs = [row["epoch"] for row in curves[name]]
            train, test = ([100 * row[key] for row in curves[name]] for key in ("train_accuracy", "test_accuracy"))
            order = 3 if is_random(metrics) else 2  # random labels on top: that they are fitted is the point
            axes.plot(epochs, train, color=colour, label=label, zorder=order)
            axes.plot(epochs, test, color=colour, linestyle="--", zorder=order)
        axes.set(xlabel="epoch", ylim=(0, 103))
    axes = figure.axes[0]
    axes.set_ylabel("accuracy (%)")
    axes.plot([], [], color="grey", label="on the training set")
    axes.plot([], [], color="grey", linestyle="--", label="on the test set")
    first = next(iter(runs.values()))
    return with_legend(figure, f"Train and test accuracy, {first['train_size']:,} images of {first['dataset']}")


def is_random(metrics: Metrics) -> bool:
    """Whether every label of the run was drawn at random."""
    return metrics["corruption"]["kind"] == "labels" and metrics["corruption"]["level"] == 1


def training_loss(runs: dict[str, Metrics], steps: Curves) -> Figure:
    """Mean training loss per window of steps, as in the paper's figure 1a, a panel per architecture."""
    figure, panels = panels_by_arch(runs)
    thousands = max(row["step"] for rows in steps.values() for row in rows) >= 2000
    for axes, (_, members) in panels:
        for name, metrics in members.items():
            label, colour = style_of(metrics)
            positions = [row["step"] / (1000 if thousands else 1) for row in steps[name]]
            axes.plot(positions, [row["loss"] for row in steps[name]], color=colour, label=label)
        axes.set(xlabel="thousand steps" if thousands else "steps", xlim=(0, None), ylim=(0, 2.6))
    figure.axes[0].set_ylabel("training loss")
    return with_legend(figure, "Average training loss (as the paper's figure 1a)")


def test_error(runs: dict[str, Metrics]) -> Figure:
    """Test error against the level of label corruption, as in the paper's figure 1c."""
    figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
    for number, (arch, members) in enumerate(group_by_arch(runs).items()):
        colour, marker = ARCHS.get(arch, (f"C{number}", "o"))
        points = sorted(
            (metrics["corruption"]["level"], 100 * (1 - metrics["test_accuracy"]))
            for metrics in members.values()
            if metrics["corruption"]["kind"] in ("none", "labels")
        )
        if points:
            axes.plot(*zip(*points, strict=True), marker=marker, color=colour, label=NAMES.get(arch, arch))
    axes.set(xlabel="label corruption", ylabel="test error (%)", xlim=(-0.03, 1.03), ylim=(0, 100))
    axes.legend(loc="lower right")
    axes.set_title("Test error against label corruption (as figure 1c)", loc="left", fontsize=11)
    return figure


def memorisation(runs: dict[str, Metrics], curves: Curves) -> Figure:
    """Accuracy on untouched and on corrupted training images over epochs, at each architecture's level nearest 0.5."""
    corrupted = {name: metrics for name, metrics in runs.items() if metrics["corrupted_subset_accuracy"] is not None}
    if not corrupted:
        figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
        axes.text(0.5, 0.5, "no run has corrupted labels", transform=axes.transAxes, ha="center")
        return figure
    nearest = [
        min(members.items(), key=lambda run: abs(run[1]["corruption"]["level"] - 0.5))
        for members in group_by_arch(corrupted).values()
    ]
    figure, panels = panels_by_arch(dict(nearest))
    for axes, (arch, members) in panels:
        for name, metrics in members.items():
            axes.set_title(f"{NAMES.get(arch, arch)}, {metrics['corruption']['level']:.0%} random labels", fontsize=10)
            for key, (label, colour, dashes) in SUBSETS.items():
                points = [(row["epoch"], 100 * row[key]) for row in curves[name] if row[key] is not None]
                if points:
                    axes.plot(*zip(*points, strict=True), color=colour, linestyle=dashes, label=label)
        axes.set(xlabel="epoch", ylim=(0, 103))
    figure.axes[0].set_ylabel("accuracy on the training set (%)")
    return with_legend(figure, "What is learned first")


def group_by_arch(runs: dict[str, Metrics]) -> dict[str, dict[str, Metrics]]:
    """Runs by architecture, in the order they come."""
    groups: dict[str, dict[str, Metrics]] = {}
    for name, metrics in runs.items():
        groups.setdefault(metrics["arch"], {})[name] = metrics
    return groups


def panels_by_arch(runs: dict[str, Metrics]) -> tuple[Figure, Iterator[tuple[Axes, tuple[str, dict[str, Metrics]]]]]:
    """A row of panels that share their y axis, one per architecture, titled; above each stands what did not fit."""
    groups = group_by_arch(runs)
    figure, grid = plt.subplots(
        1, len(groups), figsize=(1.2 + 3.4 * len(groups), 4.2), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (arch, members) in zip(grid[0], groups.items(), strict=True):
        axes.set_title(NAMES.get(arch, arch), fontsize=11, pad=14)
        note = outcomes((style_of(metrics)[0].lower(), metrics) for metrics in members.values())
        if note:
            axes.text(0.5, 1.01, note, transform=axes.transAxes, ha="center", fontsize=7.5, color="#a00000")
    return figure, zip(grid[0], groups.items(), strict=True)
