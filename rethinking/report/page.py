"""The report: one self-contained HTML page of claims, figures, tables and runs, from what has run so far.

The page needs no network and no script; one of its own filters the claims. Every number links to the metrics file it is
from, and every row shows the command that makes it again. The layout is report.html.j2; this module prepares what it
shows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rethinking.core.files import read_json
from rethinking.core.run_name import RunName
from rethinking.figures.paper import FIGURES, Grids, load_grids
from rethinking.paper.names import GRIDS, arch_name, data_note, data_of
from rethinking.paper.published import TABLE_1, TABLE_2, TABLE_4
from rethinking.paper.verdicts import VERDICTS, is_of_imagenet
from rethinking.report.rows import Links, Rows, data_uri
from rethinking.report.theory import theory_sections
from rethinking.results.runs import Run

IN_SMALL = " in small, on a tenth of the images"
FILES = ("runs.csv", "curves.csv", "steps.csv")


def build_page(
    metrics: Path, plots: Path, out: Path, targets: Mapping[tuple[str, RunName], str], small: bool = False
) -> str:
    """The page's HTML, to be written to `out`; links are relative to its folder.

    `targets` gives the DVC stage that makes a run again by grid and name; `small` is the grid on a part of the images.
    Raises DataError for damaged metrics.
    """
    grids = load_grids(metrics)
    linked = Links(metrics, out.parent)
    rows = Rows(grids, linked, targets, small)
    verdicts = read_json(metrics / "claims.json") if (metrics / "claims.json").exists() else []
    of_imagenet = [rows.claim(verdict) for verdict in verdicts if is_of_imagenet(verdict)]
    claims = [rows.claim(verdict) for verdict in verdicts if not is_of_imagenet(verdict)]
    shown = [name for name, figure in FIGURES.items() if figure.in_small or not small]
    figures = {name: _figure(name, plots / "paper", grids, linked) for name in shown}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.j2").render(
        verdicts=_counts(claims),
        claims_file=linked.to("claims.json"),
        networks=list(dict.fromkeys(network for claim in claims for network in claim["networks"])),
        claims=_by_verdict(claims, small),
        small=small,
        provenance=[row for grid in GRIDS for row in _provenance(grid, grids[grid])],
        figures=[figure for name, figure in figures.items() if FIGURES[name].grids != ("imagenet",)],
        table_1=[rows.published(row) for row in TABLE_1],
        table_4=[rows.published(row) for row in TABLE_4],
        grids=[(grid, name, rows.all_runs(grid)) for grid, name in GRIDS.items() if grids[grid]],
        imagenet=None
        if small
        else {
            "claims": of_imagenet,
            "verdicts": _counts(of_imagenet),
            "figures": [figure for name, figure in figures.items() if FIGURES[name].grids == ("imagenet",)],
            "rows": [rows.published(row, "imagenet") for row in TABLE_2],
        },
        theory=theory_sections(metrics / "theory", plots / "theory", linked),
    )


def _counts(claims: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many claims have each verdict."""
    return {verdict: sum(claim["verdict"] == verdict for claim in claims) for verdict in VERDICTS}


def _by_verdict(claims: list[dict[str, Any]], small: bool) -> list[tuple[str, list[dict[str, Any]]]]:
    """The claims that have a verdict before those that wait for a run, each under a caption; no group is empty."""
    judged = [claim for claim in claims if claim["verdict"] != "not run"]
    waiting = [claim for claim in claims if claim["verdict"] == "not run"]
    groups = [
        (f"Claims of the paper{IN_SMALL * small}, our numbers with their interval over seeds, and the verdict", judged),
        ("Claims without a verdict yet", waiting),
    ]
    return [group for group in groups if group[1]]


def _provenance(grid: str, runs: list[Run]) -> list[dict[str, Any]]:
    """For each data set of a grid: how many runs there are on it, of which architectures, and how they ended."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(data_of(run.metrics), []).append(run)
    rows = []
    for data, members in groups.items():
        outcomes = [run.outcome for run in members]
        rows.append(
            {
                "name": f"{GRIDS[grid]}: {data}",
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
        "image": data_uri(folder / name),
        "data": _data_of(grids, figure.grids),
        "files": [(f"metrics/{file}", links.to(file)) for file in files],
    }


def _data_of(grids: Grids, names: Sequence[str]) -> str:
    """A sentence on the data that a figure shows, by architecture where they differ; nothing where nothing has run."""
    notes = [data_note(grids[name]).replace("\n", " ") for name in names if grids[name]]
    return " ".join(f"{note}." for note in notes)
