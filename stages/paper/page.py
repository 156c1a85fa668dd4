"""The report: one self-contained HTML page of claims, figures, tables and runs, from what has run so far.

The page needs no network and no script. Every number links to the metrics file it is from, and every row shows the
command that makes it again. The layout is report.html.j2; this module prepares what it shows.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stages.files import read_json
from stages.paper.figures import FIGURES, GRIDS, Grids, load_grids
from stages.paper.figures.marks import arch_name
from stages.paper.published import TABLE_1, TABLE_4
from stages.paper.results import Run, data_note
from stages.paper.rows import Links, Number, Rows, as_text

# A vector image of more bytes than this is shown as pixels, which keeps the page below 5 MB.
LARGEST_SVG = 300_000
FILES = ("summary.json", "curves.csv", "steps.csv")
VERDICTS = ("reproduced", "differs", "not run")
GRID_NAMES = {"paper": "CIFAR-10", "cifar100": "CIFAR-100", "mnist": "MNIST"}


def build_page(metrics: Path, plots: Path, out: Path, targets: Mapping[tuple[str, str], str]) -> str:
    """The page's HTML, to be written to `out`; links are relative to its folder.

    `targets` gives the DVC stage that makes a run again by grid and name. Raises DataError for damaged metrics.
    """
    grids = load_grids(metrics)
    linked = Links(metrics, out.parent)
    rows = Rows(grids, linked, targets)
    claims = read_json(metrics / "claims.json") if (metrics / "claims.json").exists() else []
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.j2").render(
        verdicts={verdict: sum(claim["verdict"] == verdict for claim in claims) for verdict in VERDICTS},
        claims_file=linked.to("claims.json"),
        claims=[rows.claim(claim) for claim in claims],
        provenance=[row for grid in GRIDS for row in _provenance(grid, grids[grid])],
        figures=[_figure(name, plots / "paper", grids, linked) for name in FIGURES],
        table_1=[rows.published(row) for row in TABLE_1],
        table_4=[rows.published(row) for row in TABLE_4],
        grids=[(grid, GRID_NAMES[grid], rows.all_runs(grid)) for grid in GRIDS if grids[grid]],
        theory=_theory(metrics / "theory", plots / "theory", linked),
    )


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


def _figure(name: str, folder: Path, grids: Grids, links: Links) -> dict[str, Any]:
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


def _theory(metrics: Path, plots: Path, links: Links) -> dict[str, Any]:
    """Sections 4 and 5: every number and every picture that the theory stages have written, none where none has."""
    tables = []
    for path in sorted(metrics.glob("*/summary.json")):
        name = path.parent.name
        for part, values in read_json(path).items():
            numbers = [
                (key, Number(as_text(value, key.endswith("error")), "", links.to(f"theory/{name}/{path.name}"), key))
                for key, value in _leaves(values)
                if not isinstance(value, list)
            ]
            if numbers:
                tables.append((f"{name}: {part.replace('_', ' ')}", numbers))
    pictures = [
        (f"{path.parent.name}: {path.stem.replace('_', ' ')}", _image(path.with_suffix("")))
        for path in sorted(plots.glob("*/*.png"))
    ]
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
