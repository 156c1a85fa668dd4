"""Figures over the course of training: the paper's 1a and 2b, what is learned first, and two other data sets."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rethinking.core.run_name import kind_and_level
from rethinking.figures.marks import (
    PAPER,
    PAPER_LABEL,
    curve,
    draw_curves,
    end_panel,
    finish,
    outcomes,
    panels,
    style_of_run,
    warn,
)
from rethinking.figures.style import BLUE, GREY, ORANGE, SUBSETS, style_of
from rethinking.paper.names import arch_name
from rethinking.paper.published import TABLE_1, THOUSAND_STEPS_TO_LOSS_0_1
from rethinking.results.runs import PLAIN, Run, by_level, has_final_test, select

# The paper's order of curves.
CORRUPTIONS = ("none", "labels-1.0", "shuffled_pixels", "random_pixels", "gaussian")
LEARNED_FIRST = ("inception", "inception_nobn", "alexnet", "wrn_28_1", "mlp_1x512", "mlp_3x512")
LAST_THOUSAND_STEPS, LARGEST_LOSS = 25.0, 2.5


def figure_1a(runs: list[Run]) -> Figure:
    """Inception's average training loss on the five corruptions, in the axes of the paper's figure 1a."""
    figure, (axes,) = panels(1, 1, (6.4, 3.8))
    shown = _five_losses(axes, runs, "inception")
    axes.set(xlabel="thousand steps", ylabel="average training loss")
    triangle: dict[str, Any] = {"marker": "v", "markeredgecolor": "black", "linestyle": "none"}
    for corruption, thousand_steps in THOUSAND_STEPS_TO_LOSS_0_1.items():
        axes.plot([thousand_steps], [0.1], color=style_of(*kind_and_level(corruption))[1], zorder=3, **triangle)
    axes.plot([], [], color=GREY, label="0.1 in a later reproduction", **triangle)
    return finish(figure, "Figure 1a: Inception's training loss", shown, compared=True)


def figure_1a_architectures(runs: list[Run]) -> Figure:
    """The same for the other four architectures, a panel each."""
    archs, others = _split(runs, ("inception_nobn", "alexnet", "mlp_1x512", "mlp_3x512"))
    figure, grid = panels(len(archs), 2, (3.6, 2.7), sharex=True, sharey=True)
    shown = []
    for axes, arch in zip(grid, archs, strict=True):
        shown += _five_losses(axes, runs, arch)
        axes.set_title(arch_name(arch), fontsize=11, pad=14)
        axes.tick_params(labelbottom=True)
    for axes in grid[-2:]:
        axes.set_xlabel("thousand steps")
    for axes in grid[::2]:
        axes.set_ylabel("training loss")
    return finish(figure, "Training loss of the other architectures", shown, others=others)


def _split(runs: list[Run], archs: Sequence[str]) -> tuple[list[str], str]:
    """The architectures that have run, or all where none has, and a line that names the others."""
    there = [arch for arch in archs if select(runs, arch)] or list(archs)
    others = [arch_name(arch) for arch in archs if arch not in there]
    return there, f"Not run: {', '.join(others)}" if others else ""


def _five_losses(axes: Axes, runs: list[Run], arch: str) -> list[Run]:
    """Draw the loss curves of an architecture on the paper's five corruptions; return the runs drawn."""
    groups = {corruption: select(runs, arch, corruption) for corruption in CORRUPTIONS}
    shown = [run for seeds in groups.values() for run in seeds]
    losses(axes, shown, LAST_THOUSAND_STEPS)
    missing = [style_of(*kind_and_level(name))[0].lower() for name, seeds in groups.items() if not seeds]
    notes = [outcomes(shown), f"not run: {', '.join(missing)}" if shown and missing else ""]
    warn(axes, "; ".join(filter(None, notes)))
    axes.set(xlim=(0, LAST_THOUSAND_STEPS), ylim=(0, LARGEST_LOSS))
    end_panel(axes, shown)
    return shown


def losses(axes: Axes, runs: list[Run], last: float = math.inf, steps: float = 1000) -> None:
    """Draw the training loss of runs over so many `steps`, up to the `last` of these, seeds together."""
    for (label, colour), seeds in _grouped(runs).items():
        curves = [curve(run.steps.assign(step=run.steps["step"] / steps), "step", "loss")[:last] for run in seeds]
        # A perceptron cannot tell shuffled pixels from those in order: dashes let the curve beneath be seen.
        dashes = "--" if seeds[0].corruption == "shuffled_pixels" else "-"
        draw_curves(axes, seeds, curves, colour, label, highest=LARGEST_LOSS, linestyle=dashes)


def _grouped(runs: list[Run]) -> dict[tuple[str, str], list[Run]]:
    """Runs by the label and colour of their corruption."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault(style_of_run(run), []).append(run)
    return groups


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
            ("inception", "with BatchNorm", BLUE),
            ("inception_nobn", "without BatchNorm", ORANGE),
        ):
            seeds = select(runs, arch, corruption)
            curves = [100 * curve(run.epochs, "epoch", "test_accuracy") for run in seeds]
            draw_curves(axes, seeds, curves, colour, name)
            final = [run.metrics["epochs"] for run in seeds if has_final_test(run.metrics)]
            if corruption == "none" and final:
                last_epoch = max(final)
                axes.plot([last_epoch], [100 * _published_test(arch)], **PAPER | {"color": colour})
            for accuracy in curves:  # shaded, what stopping early could have kept
                best = accuracy.cummax()
                axes.plot(best.index, best, color=colour, linewidth=0.8, linestyle=":")
                axes.fill_between(best.index, accuracy, best, color=colour, alpha=0.3 / len(curves), linewidth=0)
            members += seeds
        axes.set(ylabel="test accuracy (%)", title=title)
        axes.title.set(fontsize=10)
        end_panel(axes, members)
        shown += members
    grid[0].fill_between([], [], [], color=GREY, alpha=0.35, linewidth=0, label="best so far")
    grid[0].plot([], [], **PAPER | {"clip_on": True}, label=f"{PAPER_LABEL} (table 1)")
    grid[-1].set_xlabel("epoch")
    return finish(figure, "Figure 2b: batch normalisation and early stopping", shown, columns=2, compared=True)


def _published_test(arch: str) -> float:
    """The paper's final test accuracy on true labels without a regulariser."""
    return next(r.test for r in TABLE_1 if (r.arch, r.corruption, r.variant) == (arch, "none", PLAIN) and r.test)


def learned_first(runs: list[Run], asked_for: Sequence[str] = LEARNED_FIRST) -> Figure:
    """Train accuracy on untouched and corrupted images over epochs, at the level nearest to one half."""
    partly = [run for run in runs if run.level]
    archs, others = _split(partly, asked_for)
    figure, grid = panels(len(archs), 2, (3.6, 2.4), sharey=True)
    shown = []
    for axes, arch in zip(grid, archs, strict=True):
        levels = by_level(select(partly, arch))
        level = min(levels, key=lambda level: abs(level - 0.5), default=None)
        axes.set_title(arch_name(arch) + (f", {level:.0%} of labels random" if level else ""), fontsize=10)
        axes.set(xlabel="epoch", ylim=(0, 103))
        seeds = [] if level is None else levels[level]
        for key, (label, colour, dashes) in SUBSETS.items():
            draw_epochs(axes, seeds, key, colour, label, dashes)
        end_panel(axes, seeds)
        shown += seeds
    for axes in grid[::2]:
        axes.set_ylabel("accuracy (%)")
    return finish(figure, "What is learned first", shown, columns=2, others=others)


def cifar100(runs: list[Run]) -> Figure:
    """Train and test accuracy of the Wide ResNet on CIFAR-100 over epochs."""
    figure, (axes,) = panels(1, 1, (6.4, 3.4))
    accuracies(axes, _grouped(runs))
    return finish(figure, "CIFAR-100: Wide ResNet 28-1", runs)


def mnist(mnist_runs: list[Run], cifar_runs: list[Run]) -> Figure:
    """The MLP on MNIST with true and with random labels, and on CIFAR-10 with random labels to compare."""
    figure, (axes,) = panels(1, 1, (6.4, 3.4))
    compared = select(cifar_runs, "mlp_1x512", "labels-1.0") if mnist_runs else []
    groups = {(f"{label}, MNIST", colour): seeds for (label, colour), seeds in _grouped(mnist_runs).items()}
    accuracies(axes, groups | ({("Random labels, CIFAR-10", GREY): compared} if compared else {}))
    return finish(figure, "MNIST: MLP 1x512", [*mnist_runs, *compared])


def memorisation(runs: list[Run]) -> Figure:
    """What is learned first, of the architectures of a pipeline."""
    return learned_first(runs, list(dict.fromkeys(run.arch for run in runs)))


def learning_curves(runs: list[Run]) -> Figure:
    """Train and test accuracy over epochs, a panel for each architecture."""
    figure, grid = _panels_by_arch(runs)
    for axes, members in grid:
        accuracies(axes, _grouped(members))
    return finish(figure, "Train and test accuracy", runs)


def training_loss(runs: list[Run]) -> Figure:
    """Mean training loss per window of steps, as in the paper's figure 1a, a panel for each architecture."""
    figure, grid = _panels_by_arch(runs)
    steps = 1000 if max(run.metrics["steps"] for run in runs) >= 2000 else 1
    for axes, members in grid:
        losses(axes, members, steps=steps)
        axes.set(xlabel="thousand steps" if steps > 1 else "steps", ylabel="training loss", xlim=(0, None))
        axes.set_ylim(0, 1.04 * LARGEST_LOSS)
    return finish(figure, "Average training loss (as the paper's figure 1a)", runs)


def _panels_by_arch(runs: list[Run]) -> tuple[Figure, list[tuple[Axes, list[Run]]]]:
    """A panel for each architecture with its runs; above each stands which of them did not fit."""
    archs = list(dict.fromkeys(run.arch for run in runs))
    figure, grid = panels(len(archs), 3, (3.4, 3.3), sharey=True)
    members = [[run for run in runs if run.arch == arch] for arch in archs]
    for axes, arch, own in zip(grid, archs, members, strict=True):
        axes.set_title(arch_name(arch), fontsize=11, pad=14)
        warn(axes, outcomes(own))
    return figure, list(zip(grid, members, strict=True))


def accuracies(axes: Axes, groups: Mapping[tuple[str, str], list[Run]]) -> None:
    """Train (solid) and test (dashed) accuracy over epochs of groups of seeds, by their label and colour."""
    for (label, colour), seeds in groups.items():
        draw_epochs(axes, seeds, "train_accuracy", colour, label, "-")
        draw_epochs(axes, seeds, "test_accuracy", colour, "", "--")
    axes.set(xlabel="epoch", ylabel="accuracy (%)", ylim=(0, 103))
    if groups:
        axes.plot([], [], color="black", label="on the training set")
        axes.plot([], [], color="black", linestyle="--", label="on the test set")
    end_panel(axes, [run for seeds in groups.values() for run in seeds])


def draw_epochs(axes: Axes, seeds: list[Run], key: str, colour: str, label: str, dashes: str) -> None:
    """Draw a metric of the evaluated epochs in percent, seeds together."""
    curves = [100 * curve(run.epochs, "epoch", key) for run in seeds]
    draw_curves(axes, seeds, curves, colour, label, linestyle=dashes)
