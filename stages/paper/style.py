"""One look for every figure, saved as PNG and SVG of the same bytes every time."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from stages.files import new_file


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
