"""Figures over the course of training: the paper's 1a, 2a and 2b, what is learned first, and two other data sets."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rethinking.core.run_name import PLAIN, kind_and_level
from rethinking.figures.marks import (
    PAPER,
    PAPER_LABEL,
    curve,
    draw_curves,
    end_panel,
    finish,
    on_imagenet,
    outcomes,
    panels,
    style_of_run,
    warn,
)
from rethinking.figures.style import BLUE, GREEN, GREY, ORANGE, SUBSETS, style_of
from rethinking.paper.names import arch_name, is_whole, variant_name
from rethinking.paper.published import IMAGES_IN_STEP, TABLE_1, TABLE_2, THOUSAND_STEPS_TO_LOSS_0_1, Row
from rethinking.results.runs import Run, by_level, has_final_test, select

# The paper's order of curves.
CORRUPTIONS = ("none", "labels-1.0", "shuffled_pixels", "random_pixels", "gaussian")
LEARNED_FIRST = ("inception", "inception_nobn", "alexnet", "wrn_28_1", "mlp_1x512", "mlp_3x512")
LAST_THOUSAND_STEPS, LARGEST_LOSS = 25.0, 2.5
IN_FIGURE_2A = {"augmentation+dropout+weight_decay": BLUE, "weight_decay": ORANGE, PLAIN: GREEN}


def figure_1a(runs: list[Run]) -> Figure:
    """Inception's average training loss on the five corruptions, in the axes of the paper's figure 1a."""
    figure, (axes,) = panels(1, 1, (6.4, 3.8))
    shown = _five_losses(axes, runs, "inception")
    axes.set(xlabel="thousand steps", ylabel="average training loss")
    triangle: dict[str, Any] = {"marker": "v", "markeredgecolor": "black", "linestyle": "none"}
    if not _in_small(runs):
        for corruption, thousand_steps in THOUSAND_STEPS_TO_LOSS_0_1.items():
            axes.plot([thousand_steps], [0.1], color=style_of(*kind_and_level(corruption))[1], zorder=3, **triangle)
        axes.plot([], [], color=GREY, label="0.1 in a later reproduction", **triangle)
    return finish(figure, "Figure 1a: Inception's training loss", shown, compared="" if _in_small(runs) else "cifar10")


def _in_small(runs: list[Run]) -> bool:
    """Whether all runs are on a part of the images, so that they take fewer steps than those of others."""
    return bool(runs) and not any(is_whole(run.metrics) for run in runs)


def figure_1a_architectures(runs: list[Run]) -> Figure:
    """The same for the other four architectures, a panel each."""
    archs, others = _split(runs, ("inception_nobn", "alexnet", "mlp_1x512", "mlp_3x512"))
    figure, grid = panels(len(archs), 2, (3.6, 2.7), sharex=True, sharey=True)
    shown = []
    for axes, arch in zip(grid, archs, strict=True):
        shown += _five_losses(axes, runs, arch, arch_name(arch))
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


def _five_losses(axes: Axes, runs: list[Run], arch: str, title: str = "") -> list[Run]:
    """Draw the loss curves of an architecture on the paper's five corruptions; return the runs drawn."""
    last = max(run.metrics["steps"] for run in runs) / 1000 if _in_small(runs) else LAST_THOUSAND_STEPS
    groups = {corruption: select(runs, arch, corruption) for corruption in CORRUPTIONS}
    shown = [run for seeds in groups.values() for run in seeds]
    losses(axes, shown, last)
    missing = [style_of(*kind_and_level(name))[0].lower() for name, seeds in groups.items() if not seeds]
    notes = [outcomes(shown), f"not run: {', '.join(missing)}" if shown and missing else ""]
    warn(axes, "; ".join(filter(None, notes)), title)
    axes.set(xlim=(0, last), ylim=(0, LARGEST_LOSS))
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


def figure_2a(runs: list[Run]) -> Figure:
    """Inception V3's top-1 test accuracy on ImageNet over the paper's thousand steps; shaded, the best so far."""
    figure, (axes,) = panels(1, 1, (6.4, 3.8))
    shown, compared = [], on_imagenet(runs)
    for variant, colour in IN_FIGURE_2A.items():
        seeds = select(runs, "inception_v3", "none", variant)
        published = _published_test(TABLE_2, "inception_v3", variant) if compared else None
        _draw_stopping(axes, seeds, "step", colour, variant_name(variant, "inception_v3"), published, _thousand_steps)
        shown += seeds
    _explain_stopping(axes, "table 2" if compared else "")
    axes.set(xlabel=f"thousand steps of {IMAGES_IN_STEP} images", ylabel="top-1 test accuracy (%)", xlim=(0, None))
    end_panel(axes, shown)
    title = "Figure 2a: Inception V3 and early stopping"
    return finish(figure, title, shown, columns=2, compared="imagenet" if compared else "")


def _thousand_steps(run: Run) -> float:
    """How many thousand of the paper's steps a step of a run is."""
    return run.metrics["batch_size"] / IMAGES_IN_STEP / 1000


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
            published = _published_test(TABLE_1, arch, PLAIN) if corruption == "none" else None
            _draw_stopping(axes, seeds, "epoch", colour, name, published)
            members += seeds
        axes.set(ylabel="test accuracy (%)", title=title)
        axes.title.set(fontsize=10)
        end_panel(axes, members)
        shown += members
    _explain_stopping(grid[0], "table 1")
    grid[-1].set_xlabel("epoch")
    return finish(figure, "Figure 2b: batch normalisation and early stopping", shown, columns=2, compared="cifar10")


def _draw_stopping(
    axes: Axes,
    seeds: list[Run],
    x: str,
    colour: str,
    label: str,
    published: float | None,
    scale: Callable[[Run], float] = lambda run: 1,
) -> None:
    """Draw test accuracy over `x` times the scale of a run, shaded up to what stopping early could have kept.

    The paper's value stands at the end of runs that reached the end of their schedule.
    """
    places = [run.epochs.assign(**{x: scale(run) * run.epochs[x]}) for run in seeds]
    curves = [100 * curve(rows, x, "test_accuracy") for rows in places]
    draw_curves(axes, seeds, curves, colour, label)
    ends = [scale(run) * run.metrics[f"{x}s"] for run in seeds if has_final_test(run.metrics)]
    if published is not None and ends:
        axes.plot([max(ends)], [100 * published], **PAPER | {"color": colour})
    for accuracy in curves:
        best = accuracy.cummax()
        axes.plot(best.index, best, color=colour, linewidth=0.8, linestyle=":")
        axes.fill_between(best.index, accuracy, best, color=colour, alpha=0.3 / len(curves), linewidth=0)


def _explain_stopping(axes: Axes, table: str) -> None:
    """Legend entries for the shade, and for the paper's values from a table, if they are shown."""
    axes.fill_between([], [], [], color=GREY, alpha=0.35, linewidth=0, label="best so far")
    if table:
        axes.plot([], [], **PAPER | {"clip_on": True}, label=f"{PAPER_LABEL} ({table})")


def _published_test(table: Sequence[Row], arch: str, variant: str) -> float | None:
    """The paper's final test accuracy on true labels."""
    return next(row.test for row in table if (row.arch, row.corruption, row.variant) == (arch, "none", variant))


def learned_first(runs: list[Run], asked_for: Sequence[str] = LEARNED_FIRST) -> Figure:
    """Train accuracy on untouched and corrupted images over epochs, at the level nearest to one half or as given.

    Runs on random labels alone are drawn where there are no others: they have no true labels to learn first.
    """
    corrupted = [run for run in runs if run.level or run.corruption == "given"]
    partly = [run for run in corrupted if run.level != 1] or corrupted
    archs, others = _split(partly, asked_for)
    figure, grid = panels(len(archs), 2, (3.6, 2.4), sharey=True)
    shown = []
    for axes, arch in zip(grid, archs, strict=True):
        given = select(partly, arch, "given")
        levels = by_level(select(partly, arch))
        level = min(levels, key=lambda level: abs(level - 0.5), default=None)
        seeds = given if level is None else levels[level]
        words = f", {level:.0%} of labels random" if level else ", given labels" if given else ""
        axes.set_title(arch_name(arch) + words, fontsize=10)
        axes.set(xlabel="epoch", ylim=(0, 103))
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
        warn(axes, outcomes(own), arch_name(arch))
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
