"""The report's section on the theory (paper, sections 4 and 5): figures, kernels and quantities of each data set."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from stages.files import read_json
from stages.paper.datasets import DATASETS
from stages.paper.pictures import data_uri
from stages.paper.rows import DASH, Links, Number, as_text

PIPELINE = "theory/dvc.yaml"
LABELLINGS = {"true": "true labels", "random": "random labels"}
PARTS = {
    "expressivity": "Theorem 1: an explicit network that fits any labels",
    "minimum_norm": "Linear models in random features: the interpolant of least norm",
}


class Picture(NamedTuple):
    """A figure of plot_theory: what it is of, its caption, and words in its place."""

    title: str
    caption: str
    alt: str


PICTURES = {
    "expressivity": Picture(
        "Finite-sample expressivity",
        "The network of 2n + d weights that the paper's proof constructs, for more and more points. Left: how ill "
        "conditioned the construction becomes. Right: the largest residual of the network when it is evaluated; above "
        "the dotted line labels are missed.",
        "Two charts against the number of points: condition number and largest weight of the construction; largest "
        "residual of the evaluated network, on random labels and real targets, in float64 and in float32.",
    ),
    "minimum_norm": Picture(
        "Gradient descent and the least norm",
        "Left: the relative distance of gradient descent from zero to the interpolant of least norm. Right: the test "
        "error of interpolants of larger norm; the leftmost is the least.",
        "Two charts: distance of gradient descent and of stochastic gradient descent to the least-norm solution over "
        "epochs; test error of interpolants against their norm.",
    ),
    "random_signs": Picture(
        "How well linear models fit random signs",
        "The empirical Rademacher complexity of linear models, the share of random signs that they fit and their test "
        "error on true labels, against the number of random features; the line marks as many features as images.",
        "Chart against the number of random features: Rademacher complexity, random signs fitted, test error.",
    ),
    "kernel": Picture(
        "Gaussian kernels",
        "Left: the error on held-out training images from which the bandwidth is chosen. Right: test error against the "
        "norm of the interpolant, which does not predict it. Below, where several have run: the test error of random "
        "patches against their number, stars the paper's values.",
        "Charts: held-out error against bandwidth for each kernel; test error against norm on true and random labels; "
        "where several numbers of random patches have run, test error against their number.",
    ),
}


def theory_sections(metrics: Path, plots: Path, links: Links) -> list[dict[str, Any]]:
    """For each data set on which a stage of the theory has run: its name, figures, kernels and tables of quantities."""
    sections = []
    for path in sorted(metrics.glob("*/summary.json")):
        name, summary = path.parent.name, read_json(path)
        href = links.to(f"theory/{name}/{path.name}")
        sections.append(
            {
                "name": _words_of(summary, name),
                "pictures": [
                    {**picture._asdict(), "image": image, "command": f"dvc repro {PIPELINE}:plot@{name}"}
                    for stem, picture in PICTURES.items()
                    if (image := data_uri(plots / name / stem))
                ],
                "kernels": [
                    _kernel(name, features, result, href, f"kernel.{features}.{key}")
                    for features, results in summary.get("kernel", {}).items()
                    for key, result in results.items()
                ],
                "tables": [
                    {
                        "title": title,
                        "command": f"dvc repro {PIPELINE}:{part}@{name}",
                        "numbers": list(_quantities(summary[part], href, part)),
                    }
                    for part, title in PARTS.items()
                    if part in summary
                ],
            }
        )
    return sections


def _kernel(name: str, features: str, result: dict[str, Any], href: str, key: str) -> dict[str, Any]:
    """A row: what one kernel interpolates, how well, and at what norm."""

    def number(quantity: str, share: bool = False) -> Number:
        return Number(as_text(result[quantity], share), "", href, f"{key}.{quantity}")

    return {
        "setting": f"{features.replace('_', ' ')}, {LABELLINGS[result['labels']]}{', l2' if result['ridge'] else ''}",
        "command": f"dvc repro {PIPELINE}:kernel@{name}-{features}",
        "train_size": number("train_size"),
        "train": number("train_accuracy", share=True),
        "test_error": number("test_error", share=True),
        "residual": number("relative_residual"),
        "norm": number("norm"),
        "bandwidth": number("bandwidth"),
        "ridge": number("ridge") if result["ridge"] else Number(DASH),
    }


def _quantities(result: dict[str, Any], href: str, part: str) -> Iterator[tuple[str, Number]]:
    """Every number of a result, `deep.label_accuracy` as `deep: label accuracy`."""
    for key, value in _leaves(result):
        if not key.endswith("dataset"):
            text = as_text(value, share=key.endswith(("error", "accuracy")))
            yield key.replace("_", " ").replace(".", ": "), Number(text, "", href, f"{part}.{key}")


def _words_of(summary: dict[str, Any], name: str) -> str:
    """The data set in words, such as `JPEG copy of CIFAR-10`; what the folder says where it is not known."""
    dataset = next((value for key, value in _leaves(summary) if key.endswith("dataset")), name)
    return DATASETS[dataset].words if dataset in DATASETS else dataset


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The (path, value) of every leaf of nested dictionaries."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
