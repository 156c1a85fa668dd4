"""Rows of the report's tables: numbers as text, the metrics file each is from, the command that makes it again."""

import base64
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from rethinking.core.run_name import PLAIN, RunName
from rethinking.figures.marks import style_of_run
from rethinking.figures.paper import Grids
from rethinking.paper.names import DATASETS, arch_name, data_of, variant_name
from rethinking.paper.published import Row
from rethinking.paper.text import as_text, words
from rethinking.paper.verdicts import is_share, ours_as_text, value_as_text
from rethinking.results.runs import Run, has_final_test, select

DASH = "–"
IMAGENET = "imagenet/dvc.yaml:evaluate"
# The accuracies that a table of the paper may print, as published.Row names them.
ACCURACIES = ("train", "train_top5", "test", "test_top5", "best_test", "best_test_top5")
# More runs than this are named by their block and architecture, all at once.
MOST_RUNS = 5


class Number(NamedTuple):
    """A number as text, its range over seeds, the file it is read from, and where in that file."""

    text: str
    spread: str = ""
    href: str = ""
    key: str = ""


class Links:
    """Links from the page's folder into the folder of metrics."""

    def __init__(self, metrics: Path, page_folder: Path):
        self.metrics, self.page_folder = metrics, page_folder

    def to(self, name: str) -> str:
        """The link to a file of the metrics, such as `cifar10/runs.csv`."""
        return quote(Path(os.path.relpath(self.metrics / name, self.page_folder)).as_posix())


class Rows:
    """Rows of tables: runs that differ in their seed alone, together."""

    def __init__(self, grids: Grids, links: Links, targets: Mapping[tuple[str, RunName], str], small: bool = False):
        self.grids, self.links, self.targets, self.small = grids, links, targets, small

    def published(self, row: Row, grid: str = "cifar10") -> dict[str, Any]:
        """A row of a table of the paper, ours beside it; `ours` is empty where it has not run."""
        seeds = select(self.grids[grid], row.arch, row.corruption, row.variant)
        labels = "random labels" if row.corruption == "labels-1.0" else "true labels"
        printed = {name: getattr(row, name) for name in ACCURACIES}
        texts = {f"paper_{name}": "" if value is None else f"{value:.2%}" for name, value in printed.items()}
        return {
            "name": f"{arch_name(row.arch)}: {labels}, {variant_name(row.variant, row.arch)}",
            **texts | ({"paper_train": "failed to converge"} if row.train is None else {}),
            **self._seeds(grid, seeds),
        }

    def all_runs(self, grid: str) -> list[tuple[str, list[dict[str, Any]]]]:
        """Every run of a grid, by architecture."""
        archs: dict[str, dict[tuple[str, str], list[Run]]] = {}
        for run in self.grids[grid]:
            archs.setdefault(run.arch, {}).setdefault((run.corruption, run.variant), []).append(run)
        return [
            (
                arch_name(arch),
                [{"name": _setting(seeds[0]), **self._seeds(grid, seeds)} for seeds in groups.values()],
            )
            for arch, groups in archs.items()
        ]

    def claim(self, claim: dict[str, Any]) -> dict[str, Any]:
        """A claim with its numbers as text."""
        paths = claim["metric"]
        share = claim["kind"] != "ratio" and is_share(paths[0])
        measured = claim["verdict"] != "not run"
        text, _, interval = ours_as_text(claim).partition(" (")
        return {
            **{key: words(claim.get(key)) for key in ("id", "statement", "source", "verdict", "reason")},
            "data": "; ".join(_data(data) for data in claim.get("data") or []),
            "paper": value_as_text(claim, claim["paper"]) or DASH,
            "ours": Number(text, interval.rstrip(")"), self._file_of(paths[0]), ", ".join(paths))
            if measured
            else Number(DASH),
            "tolerance": as_text(claim.get("tolerance"), share or bool(claim.get("relative"))),
            "networks": list(dict.fromkeys(_network(path) for path in paths)),
            "badge": claim["verdict"].replace(" ", "-"),
            "command": self._command_of(paths),
        }

    def _file_of(self, path: str) -> str:
        """The file that holds a metric such as `cifar10/inception/none/plain/epochs_to_fit`."""
        first, second, *rest = path.split("/")
        if first == "parameters":
            return self.links.to("parameters.json")
        if first == "theory":
            return self.links.to(f"theory/{second}/summary.json")
        return self.links.to(f"{first}/{'audits.json' if second == 'audits' else 'runs.csv'}")

    def _command_of(self, paths: list[str]) -> str:
        """The command that makes what these metrics are read from again, all seeds of a run; empty where none does."""
        stages = [self._stages_of(*path.split("/")) for path in paths]
        return command_for([stage for found in stages for stage in found]) if all(stages) else ""

    def _stages_of(self, first: str, second: str, *rest: str) -> list[str]:
        """The DVC stages behind a metric such as `cifar10/inception/none/plain/epochs_to_fit`."""
        if first == "imagenet":
            return [IMAGENET]
        if first == "parameters":
            return ["paper/dvc.yaml:parameters"]
        if second == "audits":
            suffix = "_small" if self.small else "" if first == "cifar10" else f"_{first}"
            return [f"paper/dvc.yaml:corrupt{suffix}@{rest[0]}"]
        if first == "theory":
            return [f"theory/dvc.yaml:{rest[0]}@{second}" + (f"-{rest[1]}" if rest[0] == "kernel" else "")]
        run = RunName(second, rest[0], rest[1])
        return [
            target for (grid, name), target in self.targets.items() if (grid, name._replace(seed=None)) == (first, run)
        ]

    def _seeds(self, grid: str, seeds: list[Run]) -> dict[str, Any]:
        """What a row shows of runs that differ in their seed alone."""

        def number(key: str) -> Number:
            shown = [run for run in seeds if has_final_test(run.metrics)] if key.startswith("test_") else seeds
            values = [run.metrics[key] for run in shown if run.metrics.get(key) is not None]
            where = ", ".join(f"{run.name.text}.{key}" for run in seeds)
            return (
                Number(*_mean_and_spread(values), self.links.to(f"{grid}/runs.csv"), where) if values else Number(DASH)
            )

        return {
            "seeds": len(seeds),
            **{name: number(f"{name}_accuracy") for name in ACCURACIES},
            "untouched": number("clean_subset_accuracy"),
            "as_labelled": number("corrupted_subset_accuracy"),
            "as_true": number("recovered_true_accuracy"),
            "fits": self._fits(grid, seeds),
            "outcome": ", ".join(dict.fromkeys(run.outcome for run in seeds)) if seeds else "not run",
            "data": "; ".join(dict.fromkeys(data_of(run.metrics) for run in seeds)),
            "command": self._command(grid, seeds),
        }

    def _command(self, grid: str, seeds: list[Run]) -> str:
        """The command that makes these runs again, or nothing where there is none."""
        if not seeds:
            return ""
        if grid == "imagenet":
            return command_for([IMAGENET])
        return command_for([self.targets[grid, run.name] for run in seeds if (grid, run.name) in self.targets])

    def _fits(self, grid: str, seeds: list[Run]) -> Number:
        """The epoch from which each seed fits, or of how many epochs none did."""
        if not seeds:
            return Number(DASH)
        fits = []
        for run in seeds:
            fit, epochs = run.metrics["epochs_to_fit"], run.metrics["epochs"]
            fits.append("diverged" if run.metrics["diverged"] else f"never in {epochs}" if fit is None else str(fit))
        text = fits[0] if len(set(fits)) == 1 else "; ".join(fits)
        where = ", ".join(f"{run.name.text}.epochs_to_fit" for run in seeds)
        return Number(text, "", self.links.to(f"{grid}/runs.csv"), where)


def command_for(targets: Sequence[str]) -> str:
    """One command that makes these stages again: by name, all seeds of a run, or many runs by their architecture.

    Empty where there are none.
    """
    targets = list(dict.fromkeys(targets))
    runs = dict.fromkeys(re.sub(r"-\d+$", "", target) for target in targets)
    if not targets:
        return ""
    if len(runs) > MOST_RUNS:
        return "dvc repro --glob " + " ".join(
            f"'{arch}-*'" for arch in dict.fromkeys(run.split("-")[0] for run in runs)
        )
    if len(runs) < len(targets):
        return "dvc repro --glob " + " ".join(f"'{run}-*'" for run in runs)
    return f"dvc repro {' '.join(targets)}"


def _network(path: str) -> str:
    """The network that a metric such as `cifar10/inception/none/plain/epochs_to_fit` is of, or `theory`, or `data`."""
    first, second = path.split("/")[:2]
    return "theory" if first == "theory" else "data" if second == "audits" else arch_name(second)


def _setting(run: Run) -> str:
    """A run's corruption and variant in words."""
    label = style_of_run(run)[0]
    return label if run.variant == PLAIN else f"{label}, {variant_name(run.variant, run.arch)}"


def _mean_and_spread(values: Sequence[float]) -> tuple[str, str]:
    """A mean share in percent; of several seeds, the smallest and the largest."""
    spread = f"{100 * min(values):.2f} to {100 * max(values):.2f}" if len(values) > 1 else ""
    return f"{sum(values) / len(values):.2%}", spread


def _data(text: str) -> str:
    """`cifar10-jpeg, 50,000 images` with the data set's name in words."""
    name, comma, size = text.partition(", ")
    return DATASETS[name].words + comma + size if name in DATASETS else text


# A vector image of more bytes than this is shown as pixels, which keeps the page below 5 MB.
LARGEST_SVG = 300_000


def data_uri(path: Path) -> str:
    """A figure without its extension as a data URI, vectors where they are small; empty where it has not been drawn."""
    svg, png = path.with_suffix(".svg"), path.with_suffix(".png")
    if svg.exists() and svg.stat().st_size <= LARGEST_SVG:
        return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode()
    return "data:image/png;base64," + base64.b64encode(png.read_bytes()).decode() if png.exists() else ""
