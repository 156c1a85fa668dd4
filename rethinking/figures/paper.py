"""The paper's figures and those it does not have, each with its caption.

Sources: figures 1 and 2, tables 1, 2 and 4 of the paper; `draw_all` writes them, the report shows them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from rethinking.figures import curves, levels, tables
from rethinking.figures.style import save, style
from rethinking.paper.names import GRIDS
from rethinking.results.runs import Run, load_runs

Grids = dict[str, list[Run]]


class PaperFigure(NamedTuple):
    """A figure: its title, its caption, how it is drawn, the grids whose runs it draws, whether one in small has it."""

    title: str
    caption: str
    draw: Callable[..., Figure]
    grids: tuple[str, ...] = ("cifar10",)
    in_small: bool = True


FIGURES = {
    "figure_1a": PaperFigure(
        "Figure 1a: training loss of Inception",
        "Average training loss over thousands of steps, in the axes and the order of colours of the paper's figure 1a. "
        "The paper prints no numbers here; the triangles are the steps at which the loss passed 0.1 in another "
        "reproduction (Comfy Research, one seed).",
        curves.figure_1a,
    ),
    "figure_1a_architectures": PaperFigure(
        "Figure 1a for the other architectures",
        "The same five curves for Inception without batch normalisation, AlexNet and the two MLPs. To an MLP shuffled "
        "pixels are no different from pixels in order.",
        curves.figure_1a_architectures,
    ),
    "figure_1b": PaperFigure(
        "Figure 1b: slowdown of fitting",
        "Epochs until the train accuracy reaches 99.9%, divided by the epochs on true labels with the same seed. Open "
        "marks with an arrow never fitted within their epochs, so their slowdown is larger than drawn. The yellow band "
        "is the range of the paper's curves.",
        levels.figure_1b,
    ),
    "figure_1c": PaperFigure(
        "Figure 1c: test error against label corruption",
        "Test error on clean test labels at the end of training. Stars are the paper's values for true and for random "
        "labels (table 1); dashed lines are architectures that the paper's figure does not have. Open marks had not "
        "fitted their training set.",
        levels.figure_1c,
    ),
    "figure_2b": PaperFigure(
        "Figure 2b: batch normalisation and early stopping",
        "Test accuracy of Inception over the epochs, with and without batch normalisation. The shaded area reaches "
        "up to the best accuracy so far: what stopping early could have kept. Stars are the final values of table 1. "
        "The lower panels, under 20% and 40% random labels, are not in the paper.",
        curves.figure_2b,
    ),
    "table_1": PaperFigure(
        "Table 1 as points",
        "Test and train accuracy of each row of table 1, a mark for each seed beside the paper's value (star).",
        tables.table_1,
    ),
    "table_4": PaperFigure(
        "Table 4 as points",
        "Train accuracy on random labels with explicit regularisers, a mark for each seed beside the paper's value "
        "(star).",
        tables.table_4,
    ),
    "learned_first": PaperFigure(
        "What is learned first",
        "Not in the paper: accuracy over epochs on training images whose label was left alone, and on those whose "
        "label was changed, both as labelled and as they truly are; at the level of corruption nearest to one half. "
        "Where the dashed line rises before it falls, true classes are recovered before wrong labels are memorised.",
        curves.learned_first,
    ),
    "time_to_fit": PaperFigure(
        "Time to fit, all architectures",
        "Epochs until the train accuracy reaches 99.9% against the level of label corruption. Open marks with an arrow "
        "never fitted within their epochs.",
        levels.time_to_fit,
    ),
    "batch_size": PaperFigure(
        "Effect of the batch size",
        "Inception at batch sizes 32, 64 and 128 against the level of label corruption: epochs to fit, and test error.",
        levels.batch_size,
        in_small=False,
    ),
    "batch_size_mlp": PaperFigure(
        "Batch size of MLP 1x512",
        "The paper states no batch size. Final accuracies of MLP 1x512 at four of them, a mark for each seed, with the "
        "paper's numbers as dotted lines. Open marks had not fitted their training set.",
        levels.batch_size_mlp,
        in_small=False,
    ),
    "cifar100": PaperFigure(
        "CIFAR-100",
        "Not in the paper: Wide ResNet 28-1 on CIFAR-100 with true labels, half of them random, and all random.",
        curves.cifar100,
        grids=("cifar100",),
        in_small=False,
    ),
    "mnist": PaperFigure(
        "MNIST",
        "Not in the paper: MLP 1x512 on MNIST with true and with random labels; in grey, on CIFAR-10 with random "
        "labels. An earlier reproduction found them harder to fit on MNIST.",
        curves.mnist,
        grids=("mnist", "cifar10"),
        in_small=False,
    ),
    "figure_2a": PaperFigure(
        "Figure 2a: early stopping on ImageNet",
        "Top-1 test accuracy of Inception V3 over thousands of steps, counted as in the paper: 32 images each. The "
        "shaded area reaches up to the best accuracy so far: what stopping early could have kept. Stars are the final "
        "values of table 2.",
        curves.figure_2a,
        grids=("imagenet",),
        in_small=False,
    ),
    "table_2": PaperFigure(
        "Table 2 as points",
        "Top-1 and top-5 accuracy of each row of table 2, a mark for each seed beside the paper's value (star).",
        tables.table_2,
        grids=("imagenet",),
        in_small=False,
    ),
}


def load_grids(metrics: Path) -> Grids:
    """The runs of every grid below the folder of metrics; a grid that has not run is empty."""
    return {grid: load_runs(metrics / grid) for grid in GRIDS}


def draw_all(grids: Grids, out: Path, small: bool = False) -> None:
    """Draw every figure of these grids alone as `<out>/<name>.png` and `.svg`, or those of a grid in small."""
    style()
    for name, figure in FIGURES.items():
        if grids.keys() >= set(figure.grids) and (figure.in_small or not small):
            save(figure.draw(*(grids[grid] for grid in figure.grids)), out / name)
