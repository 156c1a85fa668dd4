"""Figures over the course of training: the paper's 1a and 2b, what is learned first, and two other data sets."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rethinking.figures.marks import (
    GREY,
    PAPER,
    PAPER_LABEL,
    arch_name,
    curve,
    draw_band,
    explain_marks,
    finish,
    mark_ends,
    not_run,
    panels,
)
from rethinking.figures.style import SUBSETS, outcomes, style_of
from rethinking.paper.published import TABLE_1, THOUSAND_STEPS_TO_LOSS_0_1
from rethinking.results.runs import PLAIN, Run, by_level, select

# The paper's order of curves.
CORRUPTIONS = ("none", "labels-1.0", "shuffled_pixels", "random_pixels", "gaussian")
LAST_THOUSAND_STEPS, LARGEST_LOSS = 25.0, 2.5


def figure_1a(runs: list[Run]) -> Figure:
    """Inception's average training loss on the five corruptions, in the axes of the paper's figure 1a."""
    figure, (axes,) = panels(1, 1, (6.4, 3.8))
    shown = _losses(axes, runs, "inception")
    axes.set(xlabel="thousand steps", ylabel="average training loss")
    for corruption, thousand_steps in THOUSAND_STEPS_TO_LOSS_0_1.items():
        colour = style_of({"corruption": _kind(corruption)})[1]
        axes.plot(
            [thousand_steps], [0.1], color=colour, marker="v", markeredgecolor="black", linestyle="none", zorder=3
        )
    axes.plot(
        [], [], color=GREY, marker="v", markeredgecolor="black", linestyle="none", label="0.1 in a later reproduction"
    )
    return finish(figure, "Figure 1a: Inception's training loss", shown, compared=True)


def figure_1a_architectures(runs: list[Run]) -> Figure:
    """The same for the other four architectures, a panel each."""
    archs, others = _split(runs, ("inception_nobn", "alexnet", "mlp_1x512", "mlp_3x512"))
    figure, grid = panels(len(archs), 2, (3.6, 2.7), sharex=True, sharey=True)
    shown = []
    for axes, arch in zip(grid, archs, strict=True):
        shown += _losses(axes, runs, arch)
        axes.set_title(arch_name(arch), fontsize=11, pad=14)
        axes.tick_params(labelbottom=True)
    for axes in grid[-2:]:
        axes.set_xlabel("thousand steps")
    for axes in grid[::2]:
        axes.set_ylabel("training loss")
    return finish(figure, "Training loss of the other architectures", shown, others=others)


def _split(runs: list[Run], archs: tuple[str, ...]) -> tuple[list[str], str]:
    """The architectures that have run, or all where none has, and a line that names the others."""
    there = [arch for arch in archs if select(runs, arch)] or list(archs)
    others = [arch_name(arch) for arch in archs if arch not in there]
    return there, f"Not run: {', '.join(others)}" if others else ""


def _losses(axes: Axes, runs: list[Run], arch: str) -> list[Run]:
    """Draw the loss curves of an architecture; return the runs drawn."""
    shown, missing = [], []
    for corruption in CORRUPTIONS:
        seeds = select(runs, arch, corruption)
        label, colour = style_of({"corruption": _kind(corruption)})
        lines = [curve(run.steps, "step", "loss", x_scale=1e-3) for run in seeds]
        lines = [[(x, y) for x, y in line if x <= LAST_THOUSAND_STEPS] for line in lines]
        # A perceptron cannot tell shuffled pixels from those in order: dashes let the curve beneath be seen.
        draw_band(axes, lines, colour, label, linestyle="--" if corruption == "shuffled_pixels" else "-")
        for run, line in zip(seeds, lines, strict=True):
            mark_ends(axes, run, [(x, min(y, LARGEST_LOSS)) for x, y in line], colour)
        shown += seeds
        missing += [] if seeds else [label.lower()]
    axes.set(xlim=(0, LAST_THOUSAND_STEPS), ylim=(0, LARGEST_LOSS))
    _note(axes, shown, missing)
    explain_marks(axes, shown)
    if not shown:
        not_run(axes)
    return shown


def _kind(corruption: str) -> dict[str, object]:
    """A grid name such as `labels-1.0` as the kind and level of a run's metrics."""
    kind, _, level = corruption.partition("-")
    return {"kind": kind, "level": float(level or 0)}


def _note(axes: Axes, runs: list[Run], missing: list[str]) -> None:
    """Say above a panel which of its runs diverged, did not fit or have not run."""
    notes = [outcomes((style_of(run.metrics)[0].lower(), run.metrics) for run in runs)]
    if runs and missing:
        notes.append(f"not run: {', '.join(missing)}")
    if note := "; ".join(filter(None, notes)):
        axes.text(0.5, 1.01, note, transform=axes.transAxes, ha="center", fontsize=7.5, color="#a00000")


def figure_2b(runs: list[Run]) -> Figure:
    """Inception's test accuracy per epoch with and without batch normalisation; shaded, the best so far."""
    corruptions = {
        "none": "True labels, as in the paper",
        "labels-0.2": "20% random labels",
        "labels-0.4": "40% random labels",
    }
    figure, grid = panels(3, 1, (6.4, 2.4), sharex=True)
    shown = []
    for axes, (corruption, title) in zip(grid, corruptions.items(), strict=True):
        members = []
        for arch, name, colour in (
            ("inception", "with BatchNorm", "#0072b2"),
            ("inception_nobn", "without BatchNorm", "#d55e00"),
        ):
            seeds = select(runs, arch, corruption)
            lines = [curve(run.epochs, "epoch", "test_accuracy", y_scale=100) for run in seeds]
            draw_band(axes, lines, colour, name)
            if corruption == "none" and seeds:
                last_epoch = max(run.metrics["epochs"] for run in seeds)
                axes.plot([last_epoch], [100 * _published_test(arch)], **PAPER | {"color": colour})
            for run, line in zip(seeds, lines, strict=True):
                _shade_best(axes, line, colour, 0.3 / len(lines))
                mark_ends(axes, run, line, colour)
            members += seeds
        axes.set(ylabel="test accuracy (%)", title=title)
        axes.title.set(fontsize=10)
        explain_marks(axes, members)
        not_run(axes) if not members else None
        shown += members
    grid[0].fill_between([], [], [], color=GREY, alpha=0.35, linewidth=0, label="best so far")
    grid[0].plot([], [], **PAPER | {"clip_on": True}, label=f"{PAPER_LABEL} (table 1)")
    grid[-1].set_xlabel("epoch")
    return finish(figure, "Figure 2b: batch normalisation and early stopping", shown, columns=2, compared=True)


def _published_test(arch: str) -> float:
    """The paper's final test accuracy on true labels without a regulariser."""
    return next(r.test for r in TABLE_1 if (r.arch, r.corruption, r.variant) == (arch, "none", PLAIN) and r.test)


def _shade_best(axes: Axes, line: list[tuple[float, float]], colour: str, alpha: float) -> None:
    """Shade from a curve up to its running maximum: what stopping early could have kept."""
    if line:
        epochs, values = np.array(line).T
        best = np.maximum.accumulate(values)
        axes.plot(epochs, best, color=colour, linewidth=0.8, linestyle=":")
        axes.fill_between(epochs, values, best, color=colour, alpha=alpha, linewidth=0)


def learned_first(runs: list[Run]) -> Figure:
    """Train accuracy on untouched and corrupted images over epochs, at the level nearest to one half."""
    partly = [run for run in runs if run.level is not None and 0 < run.level < 1]
    archs, others = _split(partly, ("inception", "inception_nobn", "alexnet", "wrn_28_1", "mlp_1x512", "mlp_3x512"))
    figure, grid = panels(len(archs), 2, (3.6, 2.4), sharey=True)
    shown = []
    for axes, arch in zip(grid, archs, strict=True):
        levels = by_level(select(partly, arch))
        level = min(levels, key=lambda level: abs(level - 0.5), default=None)
        axes.set_title(arch_name(arch) + (f", {level:.0%} of labels random" if level else ""), fontsize=10)
        axes.set(xlabel="epoch", ylim=(0, 103))
        if level is None:
            not_run(axes)
            continue
        for key, (label, colour, dashes) in SUBSETS.items():
            lines = [curve(run.epochs, "epoch", key, y_scale=100) for run in levels[level]]
            draw_band(axes, lines, colour, label, linestyle=dashes)
            for run, line in zip(levels[level], lines, strict=True):
                mark_ends(axes, run, line, colour)
        explain_marks(axes, levels[level])
        shown += levels[level]
    for axes in grid[::2]:
        axes.set_ylabel("accuracy (%)")
    return finish(figure, "What is learned first", shown, columns=2, others=others)


def cifar100(runs: list[Run]) -> Figure:
    """Train and test accuracy of the Wide ResNet on CIFAR-100 over epochs."""
    figure, (axes,) = panels(1, 1, (6.4, 3.4))
    _accuracies(axes, [(run, *style_of(run.metrics)) for run in runs])
    return finish(figure, "CIFAR-100: Wide ResNet 28-1", runs)


def mnist(mnist_runs: list[Run], cifar_runs: list[Run]) -> Figure:
    """The MLP on MNIST with true and with random labels, and on CIFAR-10 with random labels to compare."""
    figure, (axes,) = panels(1, 1, (6.4, 3.4))
    compared = select(cifar_runs, "mlp_1x512", "labels-1.0") if mnist_runs else []
    styled = [(run, f"{style_of(run.metrics)[0]}, MNIST", style_of(run.metrics)[1]) for run in mnist_runs]
    _accuracies(axes, styled + [(run, "Random labels, CIFAR-10", GREY) for run in compared])
    return finish(figure, "MNIST: MLP 1x512", [*mnist_runs, *compared])


def _accuracies(axes: Axes, styled: list[tuple[Run, str, str]]) -> None:
    """Train (solid) and test (dashed) accuracy over epochs of runs with a label and a colour each."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run, label, colour in styled:
        groups.setdefault((label, colour), []).append(run)
    for (label, colour), seeds in groups.items():
        for key, name, dashes in (("train_accuracy", label, "-"), ("test_accuracy", "", "--")):
            lines = [curve(run.epochs, "epoch", key, y_scale=100) for run in seeds]
            draw_band(axes, lines, colour, name, linestyle=dashes)
            for run, line in zip(seeds, lines, strict=True):
                mark_ends(axes, run, line, colour)
    axes.set(xlabel="epoch", ylabel="accuracy (%)", ylim=(0, 103))
    if not styled:
        not_run(axes)
        return
    axes.plot([], [], color="black", label="on the training set")
    axes.plot([], [], color="black", linestyle="--", label="on the test set")
    explain_marks(axes, [run for run, _, _ in styled])
