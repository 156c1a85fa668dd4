"""Tables 1, 2 and 4 as figures of points: ours, seed by seed, beside the paper's value in each row."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rethinking.figures.marks import PAPER, PAPER_LABEL, draw_mark, explain_marks, finish, on_imagenet, panels
from rethinking.figures.style import ARCHS, GREY
from rethinking.paper.names import arch_name, variant_name
from rethinking.paper.published import TABLE_1, TABLE_2, TABLE_4, Row
from rethinking.results.runs import Run, has_final_test, select


def table_1(runs: list[Run]) -> Figure:
    """Train and test accuracy of the 19 rows of table 1."""
    figure, (test, train) = panels(2, 2, (3.7, 6.2), sharey=True, width_ratios=(3, 2))
    shown = _rows(test, runs, TABLE_1, "test")
    _rows(train, runs, TABLE_1, "train")
    test.set(xlabel="test accuracy (%)", xlim=(0, 100))
    _zoom(train, [100 * run.metrics["train_accuracy"] for run in shown])
    explain_marks(test, shown)
    return finish(figure, "Table 1: explicit regularisation", shown, compared="cifar10")


def table_2(runs: list[Run]) -> Figure:
    """Top-1 and top-5 accuracy of the 7 rows of table 2, on the test set above and on the training set below."""
    figure, grid = panels(4, 2, (3.7, 2.6), sharey=True)
    compared = on_imagenet(runs)
    parts = {"test": "top-1 test", "test_top5": "top-5 test", "train": "top-1 train", "train_top5": "top-5 train"}
    for axes, (part, words) in zip(grid, parts.items(), strict=True):
        shown = _rows(axes, runs, TABLE_2, part, compared)
        axes.set(xlabel=f"{words} accuracy (%)", xlim=(-3, 103))
    explain_marks(grid[0], shown)
    return finish(figure, "Table 2: Inception V3", shown, compared="imagenet" if compared else "")


def table_4(runs: list[Run]) -> Figure:
    """Train accuracy on random labels with explicit regularisers, the 6 rows of table 4."""
    figure, (axes,) = panels(1, 1, (7.0, 2.8))
    shown = _rows(axes, runs, TABLE_4, "train")
    _zoom(axes, [100 * run.metrics["train_accuracy"] for run in shown])
    explain_marks(axes, shown)
    return finish(figure, "Table 4: random labels with regularisers", shown, compared="cifar10")


def _rows(axes: Axes, runs: list[Run], rows: Sequence[Row], part: str, compared: bool = True) -> list[Run]:
    """Draw an accuracy, the `part` such as test or train_top5, of every row from the top, perhaps beside the paper's;
    return the runs drawn."""
    shown = []
    for height, row in enumerate(rows):
        seeds = select(runs, row.arch, row.corruption, row.variant)
        paper = getattr(row, part)
        if paper is not None and compared:
            axes.plot([100 * paper], [height], **PAPER, label=PAPER_LABEL)
        elif compared:
            _in_words(axes, height, "the paper: failed to converge", 0.95, "right")
        if part.startswith("test"):
            seeds = [run for run in seeds if has_final_test(run.metrics)]
        if not seeds:
            _in_words(axes, height, "not run", 0.16, "left")
        colour, marker = ARCHS[row.arch]
        for run in seeds:
            accuracy = 100 * run.metrics[f"{part}_accuracy"]
            draw_mark(axes, accuracy, height, run, colour, marker, run.metrics["fitted"])
        shown += seeds
    of_several = len({row.arch for row in rows}) > 1
    axes.set_yticks(range(len(rows)), [_label(row, of_several) for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    return shown


def _in_words(axes: Axes, height: float, words: str, x: float, align: Any) -> None:
    """Words in place of a mark; x in shares of the panel's width."""
    axes.text(x, height, words, transform=axes.get_yaxis_transform(), ha=align, va="center", fontsize=7.5, color=GREY)


def _label(row: Row, with_arch: bool) -> str:
    arch = f"{arch_name(row.arch)}: " if with_arch else ""
    labels = "random labels, " if row.corruption == "labels-1.0" else ""
    return f"{arch}{labels}{variant_name(row.variant, row.arch)}"


def _zoom(axes: Axes, values: list[float]) -> None:
    """Show train accuracies near 100%, and lower ones where a run has them."""
    lowest = min([98.5, *(value - 2 for value in values)])
    axes.set(xlabel="train accuracy (%)", xlim=(lowest, 100 + (100 - lowest) / 40))
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
