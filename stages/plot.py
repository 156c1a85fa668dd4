"""Stage plot: the pipeline's figures from the collected metrics, as PNG and SVG of the same bytes every time."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.errors import run_stage
from stages.files import read_csv, read_json
from stages.paper.style import save, style

# The order and hues of the paper's figure 1a: true labels, random labels, shuffled pixels, random pixels, gaussian.
STYLES = {
    "none": ("True labels", "#0072b2"),
    "labels": ("Random labels", "#d55e00"),
    "shuffled_pixels": ("Shuffled pixels", "#009e73"),
    "random_pixels": ("Random pixels", "#cc79a7"),
    "gaussian": ("Gaussian", "#444444"),
}
PARTIAL_LABELS = "#e69f00"
NAMES = {
    "inception": "Inception",
    "inception_nobn": "Inception w/o BatchNorm",
    "alexnet": "AlexNet",
    "mlp_1x512": "MLP 1x512",
    "mlp_3x512": "MLP 3x512",
    "wrn_28_1": "Wide ResNet 28-1",
}
MARKERS = "osD^vP"

Metrics = dict[str, Any]
Curves = dict[str, list[dict[str, Any]]]


def main() -> None:
    """Draw every figure from summary.json, curves.csv and steps.csv of one pipeline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    runs = flatten(read_json(arguments.metrics / "summary.json"))
    curves = by_run(read_csv(arguments.metrics / "curves.csv"))
    steps = by_run(read_csv(arguments.metrics / "steps.csv"))

    style()
    save(learning_curves(runs, curves), arguments.out / "learning_curves")
    save(training_loss(runs, steps), arguments.out / "training_loss")
    save(test_error(runs), arguments.out / "test_error")
    save(memorisation(runs), arguments.out / "memorisation")


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


def by_run(rows: list[dict[str, Any]]) -> Curves:
    """Rows grouped by their run."""
    groups: Curves = {}
    for row in rows:
        groups.setdefault(row["run"], []).append(row)
    return groups


def learning_curves(runs: dict[str, Metrics], curves: Curves) -> Figure:
    """Train (solid) and test (dashed) accuracy over epochs, a panel per architecture, a colour per corruption."""
    figure, panels = panels_by_arch(runs)
    for axes, (_, members) in panels:
        for name, metrics in members.items():
            label, colour = style_of(metrics)
            epochs = [row["epoch"] for row in curves[name]]
            axes.plot(epochs, [100 * row["train_accuracy"] for row in curves[name]], color=colour, label=label)
            axes.plot(epochs, [100 * row["test_accuracy"] for row in curves[name]], color=colour, linestyle="--")
        axes.set(xlabel="epoch", ylim=(0, 103))
    axes = figure.axes[0]
    axes.set_ylabel("accuracy (%)")
    axes.plot([], [], color="grey", label="on the training set")
    axes.plot([], [], color="grey", linestyle="--", label="on the test set")
    return with_legend(figure, "Train and test accuracy")


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
    for marker, (arch, members) in zip(MARKERS * 9, group_by_arch(runs).items(), strict=False):
        points = sorted(
            (metrics["corruption"]["level"], 100 * (1 - metrics["test_accuracy"]))
            for metrics in members.values()
            if metrics["corruption"]["kind"] in ("none", "labels")
        )
        axes.plot(*zip(*points, strict=True), marker=marker, label=NAMES.get(arch, arch)) if points else None
    axes.set(xlabel="label corruption", ylabel="test error (%)", xlim=(-0.03, 1.03), ylim=(0, 100))
    axes.legend(loc="lower right")
    axes.set_title("Test error against label corruption (as figure 1c)", loc="left", fontsize=11)
    return figure


def memorisation(runs: dict[str, Metrics]) -> Figure:
    """Under label corruption: accuracy on untouched images, on corrupted ones as labelled, and as they truly are."""
    members = {name: metrics for name, metrics in runs.items() if metrics["corrupted_subset_accuracy"] is not None}
    figure, axes = plt.subplots(figsize=(2.6 + 1.3 * max(len(members), 2), 4.2), layout="constrained")
    bars = {
        "clean_subset_accuracy": ("untouched images, their label", "#0072b2"),
        "corrupted_subset_accuracy": ("corrupted images, the given label", "#d55e00"),
        "recovered_true_accuracy": ("corrupted images, the true label", "#009e73"),
    }
    for offset, (key, (label, colour)) in zip((-0.27, 0, 0.27), bars.items(), strict=True):
        heights = [100 * (metrics[key] or 0) for metrics in members.values()]
        bar = axes.bar([index + offset for index in range(len(members))], heights, 0.25, color=colour, label=label)
        axes.bar_label(bar, fmt="%.0f", fontsize=7, padding=1)
    names = [f"{NAMES.get(m['arch'], m['arch'])}\n{m['corruption']['level']:.0%} corrupted" for m in members.values()]
    axes.set_xticks(range(len(members)), names, fontsize=8)
    axes.set(ylabel="accuracy on the training set (%)", ylim=(0, 106))
    axes.grid(axis="x", visible=False)
    if not members:
        axes.text(0.5, 0.5, "no run has corrupted labels", transform=axes.transAxes, ha="center")
        return figure
    return with_legend(figure, "What was memorised")


def style_of(metrics: Metrics) -> tuple[str, str]:
    """Label and colour of a run's corruption."""
    kind, level = metrics["corruption"]["kind"], metrics["corruption"]["level"]
    label, colour = STYLES.get(kind, (kind, "#999999"))
    if kind == "labels" and level < 1:
        label, colour = f"{level:.0%} random labels", PARTIAL_LABELS
    return label, colour


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
        note = "; ".join(filter(None, (_named("diverged", members), _named("not fitted", members))))
        if note:
            axes.text(0.5, 1.01, note, transform=axes.transAxes, ha="center", fontsize=7.5, color="#a00000")
    return figure, zip(grid[0], groups.items(), strict=True)


def _named(ending: str, members: dict[str, Metrics]) -> str:
    """`diverged: ...` or `not fitted: ...` with the corruptions on which a run ended so, or nothing."""
    runs = [m for m in members.values() if not m["fitted"] and m["diverged"] == (ending == "diverged")]
    return f"{ending}: {', '.join(style_of(metrics)[0].lower() for metrics in runs)}" if runs else ""


def with_legend(figure: Figure, title: str) -> Figure:
    """One legend below all panels, without repeats, and a title."""
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        entries = dict(zip(labels, handles, strict=True)) | entries
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=min(len(entries), 4))
    figure.suptitle(title, fontsize=12)
    return figure


if __name__ == "__main__":
    run_stage(main)
