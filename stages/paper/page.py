"""The report: one self-contained HTML page of claims, figures, tables and runs, from what has run so far.

The page needs no network and no script. Every number links to the metrics file it is from, and every row shows the
command that makes it again. The layout is report.html.j2; this module prepares what it shows.
"""

import base64
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.files import read_json
from stages.paper.figures import FIGURES, GRIDS, Grids, load_grids
from stages.paper.figures.marks import arch_name
from stages.paper.published import TABLE_1, TABLE_4, VARIANTS, Row
from stages.paper.results import Run, data_note, select
from stages.paper.style import style_of

# A vector image of more bytes than this is shown as pixels, which keeps the page below 5 MB.
LARGEST_SVG = 300_000
FILES = ("summary.json", "curves.csv", "steps.csv")
VERDICTS = ("reproduced", "differs", "not run")
GRID_NAMES = {"paper": "CIFAR-10", "cifar100": "CIFAR-100", "mnist": "MNIST"}
DASH = "–"


class Number(NamedTuple):
    """A number as text, its range over seeds, the file it is read from, and where in that file."""

    text: str
    spread: str = ""
    href: str = ""
    key: str = ""


def build_page(metrics: Path, plots: Path, out: Path, targets: Mapping[tuple[str, str], str]) -> str:
    """The page's HTML, to be written to `out`; links are relative to its folder.

    `targets` gives the DVC stage that makes a run again by grid and name. Raises DataError for damaged metrics.
    """
    grids = load_grids(metrics)
    linked = _Links(metrics, out.parent)
    claims = read_json(metrics / "claims.json") if (metrics / "claims.json").exists() else []
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    rows = _Rows(grids, linked, targets)
    return environment.get_template("report.html.j2").render(
        verdicts={verdict: sum(claim["verdict"] == verdict for claim in claims) for verdict in VERDICTS},
        claims_file=linked.to("claims.json"),
        claims=[_claim(claim, linked) for claim in claims],
        provenance=[row for grid in GRIDS for row in _provenance(grid, grids[grid])],
        figures=[_figure(name, plots / "paper", grids, linked) for name in FIGURES],
        table_1=[rows.published(row) for row in TABLE_1],
        table_4=[rows.published(row) for row in TABLE_4],
        grids=[(grid, GRID_NAMES[grid], rows.all_runs(grid)) for grid in GRIDS if grids[grid]],
        theory=_theory(metrics / "theory", plots / "theory", linked),
    )


class _Links:
    """Links from the page's folder into the folder of metrics."""

    def __init__(self, metrics: Path, page_folder: Path):
        self.metrics, self.page_folder = metrics, page_folder

    def to(self, name: str) -> str:
        return quote(Path(os.path.relpath(self.metrics / name, self.page_folder)).as_posix())


class _Rows:
    """Rows of tables: runs that differ in their seed alone, together."""

    def __init__(self, grids: Grids, links: _Links, targets: Mapping[tuple[str, str], str]):
        self.grids, self.links, self.targets = grids, links, targets

    def published(self, row: Row) -> dict[str, Any]:
        """A row of a table of the paper, ours beside it; `ours` is empty where it has not run."""
        seeds = select(self.grids["paper"], row.arch, row.corruption, row.variant)
        labels = "random labels" if row.corruption == "labels-1.0" else "true labels"
        return {
            "arch": arch_name(row.arch),
            "setting": f"{labels}, {VARIANTS[row.variant]}",
            "paper_train": "failed to converge" if row.train is None else f"{row.train:.2%}",
            "paper_test": "" if row.test is None else f"{row.test:.2%}",
            **self._seeds("paper", seeds),
        }

    def all_runs(self, grid: str) -> list[tuple[str, list[dict[str, Any]]]]:
        """Every run of a grid, by architecture."""
        archs: dict[str, dict[tuple[str, str], list[Run]]] = {}
        for run in self.grids[grid]:
            archs.setdefault(run.arch, {}).setdefault((run.corruption, run.variant), []).append(run)
        return [
            (
                arch_name(arch),
                [{"setting": _setting(seeds[0]), **self._seeds(grid, seeds)} for seeds in groups.values()],
            )
            for arch, groups in archs.items()
        ]

    def _seeds(self, grid: str, seeds: list[Run]) -> dict[str, Any]:
        """What a row shows of runs that differ in their seed alone."""

        def number(key: str) -> Number:
            values = [run.metrics[key] for run in seeds if run.metrics[key] is not None]
            where = ", ".join(f"{run.key}.{key}" for run in seeds)
            return (
                Number(*_mean_and_spread(values), self.links.to(f"{grid}/summary.json"), where)
                if values
                else Number(DASH)
            )

        return {
            "seeds": len(seeds),
            "train": number("train_accuracy"),
            "test": number("test_accuracy"),
            "best_test": number("best_test_accuracy"),
            "untouched": number("clean_subset_accuracy"),
            "as_labelled": number("corrupted_subset_accuracy"),
            "as_true": number("recovered_true_accuracy"),
            "fits": self._fits(grid, seeds),
            "outcome": ", ".join(dict.fromkeys(run.outcome for run in seeds)) if seeds else "not run",
            "data": "; ".join(dict.fromkeys(run.data for run in seeds)),
            "command": self._command(grid, seeds),
        }

    def _command(self, grid: str, seeds: list[Run]) -> str:
        """The command that makes these runs again, or nothing where there is none."""
        if not seeds:
            return ""
        target = self.targets.get((grid, seeds[0].name), "paper/dvc.yaml")
        if len(seeds) == 1 or "@" not in target:
            return f"dvc repro {target}"
        return f"dvc repro --glob '{target.rpartition('-')[0]}-*'"

    def _fits(self, grid: str, seeds: list[Run]) -> Number:
        """The epoch from which each seed fits, or of how many epochs none did."""
        words = []
        for run in seeds:
            fit, epochs = run.metrics["epochs_to_fit"], run.metrics["epochs"]
            words.append("diverged" if run.metrics["diverged"] else f"never in {epochs}" if fit is None else str(fit))
        where = ", ".join(f"{run.key}.epochs_to_fit" for run in seeds)
        return Number("; ".join(words), "", self.links.to(f"{grid}/summary.json"), where) if words else Number(DASH)


def _setting(run: Run) -> str:
    """A run's corruption and variant in words."""
    label = style_of(run.metrics)[0]
    return label if run.variant == "plain" else f"{label}, {VARIANTS.get(run.variant, run.variant)}"


def _mean_and_spread(values: Sequence[float]) -> tuple[str, str]:
    """A mean share in percent; of several seeds, the smallest and the largest."""
    spread = f"{100 * min(values):.2f} to {100 * max(values):.2f}" if len(values) > 1 else ""
    return f"{sum(values) / len(values):.2%}", spread


def _provenance(grid: str, runs: list[Run]) -> list[dict[str, Any]]:
    """For each data set of a grid: how many runs there are on it, of which architectures, and how they ended."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.data, []).append(run)
    rows = []
    for data, members in groups.items():
        outcomes = [run.outcome for run in members]
        rows.append(
            {
                "grid": GRID_NAMES[grid],
                "data": data,
                "archs": ", ".join(dict.fromkeys(arch_name(run.arch) for run in members)),
                "seeds": ", ".join(str(seed) for seed in sorted({run.seed for run in members})),
                "runs": len(members),
                **{name.replace(" ", "_"): outcomes.count(name) for name in ("fitted", "not fitted", "diverged")},
            }
        )
    return rows


def _claim(claim: dict[str, Any], links: _Links) -> dict[str, Any]:
    """A claim with its numbers as text, linked to the metrics file that they are read from."""
    metric = _words(claim.get("metric"))
    grid = next((grid for grid in GRIDS if re.search(rf"\b{grid}/", metric)), None)
    href = links.to(f"{grid}/summary.json" if grid else "claims.json")
    share = bool(re.search("accuracy|error|share|changed", metric))
    between = " to ".join(_value(end, share) or DASH for end in claim["interval"] or [])
    return {
        **{
            key: _words(claim.get(key)) for key in ("id", "statement", "source", "verdict", "reason", "data", "command")
        },
        "metric": metric,
        "paper": _value(claim["paper"], share) or DASH,
        "ours": Number(DASH) if claim["ours"] is None else Number(_value(claim["ours"], share), between, href, metric),
        "tolerance": _value(claim.get("tolerance"), share),
        "badge": claim["verdict"].replace(" ", "-"),
    }


def _value(value: Any, share: bool) -> str:
    """A number for people: shares in percent, counts with separators, others with three digits; text as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _words(value)
    if share and abs(value) <= 1:
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _words(value: Any) -> str:
    """Anything as text: nothing for None, lists joined by commas."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value)
    return str(value)


def _figure(name: str, folder: Path, grids: Grids, links: _Links) -> dict[str, Any]:
    """A figure with its picture, its caption and the files it is drawn from."""
    figure = FIGURES[name]
    files = [f"{grid}/{file}" for grid in figure.grids if grids[grid] for file in FILES]
    return {
        "id": name.replace("_", "-"),
        "title": figure.title,
        "caption": figure.caption,
        "alt": figure.alt,
        "image": _image(folder / name),
        "data": _data_of(grids, figure.grids),
        "files": [(f"metrics/{file}", links.to(file)) for file in files],
    }


def _data_of(grids: Grids, names: Sequence[str]) -> str:
    """A sentence on the data that a figure shows, by architecture where they differ; nothing where nothing has run."""
    notes = [data_note(grids[name]).replace("\n", " ") for name in names if grids[name]]
    return " ".join(f"{note}." for note in notes)


def _image(path: Path) -> str:
    """A picture as a data URI, vectors where they are small, or nothing where it has not been drawn."""
    svg, png = path.with_suffix(".svg"), path.with_suffix(".png")
    if svg.exists() and svg.stat().st_size <= LARGEST_SVG:
        return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode()
    return "data:image/png;base64," + base64.b64encode(png.read_bytes()).decode() if png.exists() else ""


def _theory(metrics: Path, plots: Path, links: _Links) -> dict[str, Any]:
    """Sections 4 and 5: every number and every picture that the theory stages have written, none where none has."""
    tables = []
    for path in sorted(metrics.glob("*.json")):
        values = list(_leaves(read_json(path)))
        numbers = [
            (key, Number(_value(value, key.endswith("error")), "", links.to(f"theory/{path.name}"), key))
            for key, value in values
        ]
        tables.append((path.stem.replace("_", " ").capitalize(), numbers))
    names = [path.stem for path in sorted(plots.glob("*.png"))]
    pictures = [(name.replace("_", " ").capitalize(), _image(plots / name)) for name in names]
    return {"tables": tables, "pictures": pictures}


def _leaves(value: Any, path: str = "") -> Any:
    """The (path, value) of every leaf of nested dictionaries; a list is a leaf unless it holds dictionaries."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value
