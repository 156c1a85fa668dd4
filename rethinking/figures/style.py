"""How every figure looks, and what the figures share: names, colours, panels, legends, files of the same bytes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from rethinking.core.files import new_file

# The order and hues of the paper's figure 1a: true labels, random labels, shuffled pixels, random pixels, gaussian.
STYLES = {
    "none": ("True labels", "#0072b2"),
    "labels": ("Random labels", "#d55e00"),
    "shuffled_pixels": ("Shuffled pixels", "#009e73"),
    "random_pixels": ("Random pixels", "#cc79a7"),
    "gaussian": ("Gaussian", "#444444"),
}
PARTIAL_LABELS = "#e69f00"
# Colour and marker of an architecture, the same in every figure.
ARCHS = {
    "inception": ("#0072b2", "o"),
    "alexnet": ("#d55e00", "s"),
    "mlp_1x512": ("#009e73", "D"),
    "mlp_3x512": ("#cc79a7", "^"),
    "wrn_28_1": ("#444444", "v"),
    "inception_nobn": ("#56b4e9", "P"),
}
# Accuracy on parts of a training set with corrupted labels: words, colour and line.
SUBSETS = {
    "clean_subset_accuracy": ("untouched images", "#0072b2", "-"),
    "corrupted_subset_accuracy": ("corrupted images, as labelled", "#d55e00", "-"),
    "recovered_true_accuracy": ("corrupted images, as they truly are", "#009e73", "--"),
}

Metrics = dict[str, Any]


def style() -> None:
    """One look for every figure, and nothing in the files that changes from run to run."""
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 160,
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "legend.frameon": False,
            "svg.hashsalt": "rethinking-generalization",
        }
    )


def save(figure: Figure, path: Path) -> None:
    """Write PNG and SVG without dates or versions in them."""
    metadata: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    for extension, entries in metadata.items():
        with new_file(path.with_suffix(f".{extension}")) as partial:
            figure.savefig(partial, format=extension, metadata=entries)
    plt.close(figure)


def style_of(metrics: Metrics) -> tuple[str, str]:
    """Label and colour of a run's corruption."""
    kind, level = metrics["corruption"]["kind"], metrics["corruption"]["level"]
    label, colour = STYLES.get(kind, (kind, "#999999"))
    if kind == "labels" and level < 1:
        label, colour = f"{level:.0%} random labels", PARTIAL_LABELS
    return label, colour


def outcomes(named_runs: Iterable[tuple[str, Metrics]]) -> str:
    """`diverged: ...; not fitted: ...` with the names of the runs that ended so, or nothing."""
    runs = [(name, metrics) for name, metrics in named_runs if not metrics["fitted"]]
    diverged = [name for name, metrics in runs if metrics["diverged"]]
    unfitted = [name for name, metrics in runs if not metrics["diverged"]]
    parts = (("diverged", diverged), ("not fitted", unfitted))
    return "; ".join(f"{ending}: {', '.join(dict.fromkeys(names))}" for ending, names in parts if names)


def with_legend(figure: Figure, title: str, note: str = "", columns: int = 4) -> Figure:
    """One legend below all panels, without repeats and headed by the note, and a title above them."""
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        entries = dict(zip(labels, handles, strict=True)) | entries
    legend = figure.legend(
        list(entries.values()), list(entries), loc="outside lower center", ncols=min(len(entries), columns)
    )
    if note:
        legend.set_title(note, prop=FontProperties(size=8))
    figure.suptitle(title, fontsize=12)
    return figure
