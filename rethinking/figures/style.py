"""How every figure looks, and what the figures share: names, colours, panels, legends, files of the same bytes."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from rethinking.core.files import new_file

# Every colour of every figure, by the name that texts call it; Okabe and Ito's, for colour-blind readers.
BLUE, ORANGE, GREEN, PINK, AMBER, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
BLACK, GREY, YELLOW, WARNING = "#444444", "#767676", "#ffe14d", "#a00000"

# The order and colours of the paper's figure 1a.
STYLES = {
    "none": ("True labels", BLUE),
    "labels": ("Random labels", ORANGE),
    "shuffled_pixels": ("Shuffled pixels", GREEN),
    "random_pixels": ("Random pixels", PINK),
    "gaussian": ("Gaussian", BLACK),
    "given": ("Given labels", SKY),
}
# Colour and marker of an architecture, the same in every figure.
ARCHS = {
    "inception": (BLUE, "o"),
    "alexnet": (ORANGE, "s"),
    "mlp_1x512": (GREEN, "D"),
    "mlp_3x512": (PINK, "^"),
    "wrn_28_1": (BLACK, "v"),
    "inception_nobn": (SKY, "P"),
    "inception_v3": (AMBER, "h"),
}
# Accuracy on parts of a training set with corrupted labels: words, colour and line.
SUBSETS = {
    "clean_subset_accuracy": ("untouched images", BLUE, "-"),
    "corrupted_subset_accuracy": ("corrupted images, as labelled", ORANGE, "-"),
    "recovered_true_accuracy": ("corrupted images, as they truly are", GREEN, "--"),
}


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


def style_of(kind: str, level: float) -> tuple[str, str]:
    """Label and colour of a corruption."""
    label, colour = STYLES.get(kind, (kind, GREY))
    if kind == "labels" and level < 1:
        label, colour = f"{level:.0%} random labels", AMBER
    return label, colour


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
