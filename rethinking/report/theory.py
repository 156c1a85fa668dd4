"""The report's section on the theory (paper, sections 4 and 5): figures, kernels and quantities of each data set."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rethinking.core.files import read_mapping
from rethinking.paper.names import DATASETS, LABELLINGS
from rethinking.paper.text import as_text
from rethinking.report.rows import DASH, Links, Number, data_uri

PIPELINE = "theory/dvc.yaml"
PARTS = {
    "expressivity": "Theorem 1: an explicit network that fits any labels",
    "minimum_norm": "Linear models in random features: the interpolant of least norm",
}


class Picture(NamedTuple):
    """A figure of plot_theory: whose results it shows, from which tables, its title and caption."""

    part: str
    tables: tuple[str, ...]
    title: str
    caption: str


PICTURES = {
    "kernel": Picture(
        "kernel",
        ("summary.json", "search.csv"),
        "Gaussian kernels",
        "Left: the error on held-out training images, by which the bandwidth is chosen. Right: the test error against "
        "the norm of the solution.",
    ),
    "expressivity": Picture(
        "expressivity",
        ("conditioning.csv",),
        "Finite-sample expressivity",
        "The network of 2n + d weights that the paper's proof constructs, for more and more points. Left: how ill "
        "conditioned the construction becomes. Right: the largest residual of the network when it is evaluated; above "
        "the dotted line labels are missed.",
    ),
    "minimum_norm": Picture(
        "minimum_norm",
        ("distances.csv", "interpolants.csv"),
        "Gradient descent and the least norm",
        "Left: the relative distance to the interpolant of least norm, of gradient descent and of stochastic gradient "
        "descent started at zero. Right: the test error of interpolants of larger norm; the leftmost is the least.",
    ),
    "random_signs": Picture(
        "minimum_norm",
        ("random_signs.csv",),
        "How well linear models fit random signs",
        "The empirical Rademacher complexity of linear models beside the root of features over images, the share of "
        "random signs that they fit and their test error on true labels, against the number of random features; the "
        "line marks as many features as images.",
    ),
}
# What the figure of kernels also shows where several numbers of random patches have run.
TREND = " Below: the test error of random patches against their number; stars are the paper's values."


def theory_sections(metrics: Path, plots: Path, links: Links) -> list[dict[str, Any]]:
    """For each data set on which a stage of the theory has run: its name, kernels, figures and tables of quantities."""
    sections = []
    for path in sorted(metrics.glob("*/summary.json")):
        name = path.parent.name
        summary = {part: result for part, result in read_mapping(path).items() if result}
        if not summary:
            continue
        href = links.to(f"theory/{name}/{path.name}")
        sections.append(
            {
                "name": _data_sets(summary, name),
                "kernels": [
                    _kernel(name, features, result, href, f"kernel.{features}.{key}", LABELLINGS[key])
                    for features, results in summary.get("kernel", {}).items()
                    for key, result in results.items()
                ],
                "pictures": [
                    _picture(picture, name, image, summary, links)
                    for stem, picture in PICTURES.items()
                    if picture.part in summary and (image := data_uri(plots / name / stem))
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


def _kernel(name: str, features: str, result: dict[str, Any], href: str, key: str, labelling: str) -> dict[str, Any]:
    """A row: what one kernel is fitted to, how well, and at what norm."""

    def number(quantity: str, share: bool = False) -> Number:
        return _number(result[quantity], share, href, f"{key}.{quantity}")

    return {
        "name": f"{features.replace('_', ' ')}, {labelling}",
        "command": f"dvc repro {PIPELINE}:kernel@{name}-{features}",
        "train_size": number("train_size"),
        "train": number("train_accuracy", share=True),
        "test_error": number("test_error", share=True),
        "residual": number("relative_residual"),
        "norm": number("norm"),
        "bandwidth": number("bandwidth"),
        "ridge": number("ridge") if result["ridge"] else Number(DASH),
    }


def _picture(picture: Picture, name: str, image: str, summary: dict[str, Any], links: Links) -> dict[str, Any]:
    """A figure with its caption, the files it is drawn from and the command that draws it."""
    counts = {result.get("filters") for results in summary.get("kernel", {}).values() for result in results.values()}
    trend = TREND if picture.part == "kernel" and len(counts - {None}) > 1 else ""
    return {
        "title": picture.title,
        "image": image,
        "caption": picture.caption + trend,
        "files": [(f"metrics/theory/{name}/{file}", links.to(f"theory/{name}/{file}")) for file in picture.tables],
        "command": f"python -m stages.plot_theory --metrics metrics/theory/{name} --out plots/theory/{name}",
    }


def _quantities(result: dict[str, Any], href: str, part: str) -> Iterator[tuple[str, Number]]:
    """Every number of a result, `deep.label_accuracy` as `deep: label accuracy`."""
    for key, value in _leaves(result):
        if not key.endswith("dataset"):
            share = key.endswith(("error", "accuracy"))
            yield key.replace("_", " ").replace(".", ": "), _number(value, share, href, f"{part}.{key}")


def _number(value: float | None, share: bool, href: str, key: str) -> Number:
    """A number with its link; a dash for what was not finite."""
    return Number(DASH) if value is None else Number(as_text(value, share), "", href, key)


def _data_sets(summary: dict[str, Any], name: str) -> str:
    """The data sets of the results in words, such as `JPEG copy of CIFAR-10`; the folder's name where none is said."""
    found = dict.fromkeys(value for key, value in _leaves(summary) if key.endswith("dataset")) or {name: None}
    return "; ".join(DATASETS[data].words if data in DATASETS else data for data in found)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The (path, value) of every leaf of nested dictionaries."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
