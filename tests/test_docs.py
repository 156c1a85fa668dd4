"""What README and docs say: the numbers are those of the references, and what a reader is told to use is there."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from dvc.exceptions import InvalidArgumentError
from dvc.utils.hydra import apply_overrides, get_hydra_sweeps
from hydra.errors import HydraException

from rethinking.core.files import read_json, read_yaml
from rethinking.corruptions.common.request import Request
from rethinking.figures.paper import FIGURES
from rethinking.figures.style import save, style
from rethinking.report.results import results_page
from rethinking.results.runs import load_runs
from tests.conftest import ROOT
from tests.synthetic import lit_data

README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "docs/results.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/README.md")])
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PAGES}
COUNTS = re.compile(r"^(\d+) reproduced, (\d+) differs, (\d+) not run\.$", re.MULTILINE)
BLOCK = re.compile(r"^ *```(\w*).*?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
# What the reader is told to write.
NEW = {
    "rethinking/models/my_net.py",
    "rethinking/models/timm/resnet10t.py",
    "rethinking/corruptions/inverted.py",
    "rethinking/corruptions/mine.py",
    "rethinking/models/mine.py",
    "rethinking/sources/arrays.py",
}


# --- The numbers


def test_the_results_and_the_pictures_are_what_the_references_give(run_stage, tmp_path):
    references = re.search(r"^REFERENCES \?= ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)[1].replace("\\\n", " ").split()
    assert run_stage("tools.combine", *(ROOT / folder for folder in references), "--out", "combined").returncode == 0
    metrics = tmp_path / "combined/metrics"
    for folder, *of_small in ((metrics,), (metrics / "small", "--small")):
        claims = ("--claims", ROOT / "paper/claims.yaml", "--metrics", folder, "--out", folder, *of_small)
        assert run_stage("claims", *claims).returncode == 0
    runs = load_runs(metrics / "cifar10")
    verdicts = [read_json(folder / "claims.json") for folder in (metrics, metrics / "small")]
    assert results_page(runs, *verdicts) == RESULTS
    style()
    drawn = {name: FIGURES[name].draw(runs) for name in ("figure_1a", "learned_first", "batch_size_mlp")}
    drawn["figure_1c_small"] = FIGURES["figure_1c"].draw(load_runs(metrics / "small/cifar10"))
    for name, figure in drawn.items():
        save(figure, tmp_path / name)
        assert (tmp_path / f"{name}.png").read_bytes() == (ROOT / f"docs/{name}.png").read_bytes()


def test_the_readme_has_the_rows_and_the_counts_of_the_results():
    rows = [line for line in README.splitlines() if line.count("|") == 7]
    assert 3 <= len(rows) <= 10
    assert [row for row in rows if row not in RESULTS.splitlines()] == []
    (inception,) = (row for row in rows if re.match(r"\| Inception +\| random", row))
    train, test = (inception.split("|")[column].strip() for column in (4, 6))
    assert train in README.split("\n\n")[1]
    assert test in README.split("\n\n")[1]
    counts = COUNTS.findall(RESULTS)
    of = ("claims", "more on ImageNet", "in small, on a tenth of the images")
    for words, (reproduced, differ, not_run) in zip(of, counts, strict=True):
        total = int(reproduced) + int(differ) + int(not_run)
        sentence = f"Of {total} {words}, {reproduced} are reproduced, {differ} differ and {not_run} have not run"
        assert sentence in " ".join(README.split())


def test_the_findings_have_the_counts_of_the_results():
    findings = " ".join(TEXTS["docs/findings.md"].split())
    (reproduced, *_), _, (in_small, differ_in_small, not_run) = COUNTS.findall(RESULTS)
    assert f"are among the {reproduced} reproduced" in findings
    total = int(in_small) + int(differ_in_small) + int(not_run)
    assert f"of its {total} claims {in_small} are reproduced and {differ_in_small} differ" in findings


def test_the_reference_holds_the_verdicts_that_its_metrics_give(run_stage):
    for folder in sorted((ROOT / "reference").rglob("claims.json")):
        of_small = ["--small"] if folder.parent.name == "small" else []
        done = run_stage("claims", "--claims", ROOT / "paper/claims.yaml", "--metrics", folder.parent, *of_small)
        assert done.stdout == folder.with_suffix(".md").read_text(encoding="utf-8")


# --- What is there


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def code(text):
    """What a page has as code, in blocks and between backticks."""
    spans = re.findall(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", BLOCK.sub("", text), re.DOTALL)
    return [block for _, block in BLOCK.findall(text)] + [span for _, span in spans]


def anchors(text):
    """The names by which GitHub links to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXTS[page]):
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", TEXTS)
def test_every_command_and_file_that_a_page_names_is_there(page):
    text = "\n".join(code(TEXTS[page]))
    targets = set(re.findall(r"^([a-z][\w-]*):", MAKEFILE, re.MULTILINE))
    assert set(re.findall(r"^(?:.*; *)?make ([a-z][\w-]*)", text, re.MULTILINE)) <= targets
    modules = re.findall(r"\bpython -m\s+([\w.]*\w)(?!\w*\.\.)", text)  # a message in a table may be cut short
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []
    files = re.findall(
        r"(?<![\w/.-])((?:rethinking|stages|tools|tests|paper|theory|demo)/[\w/]+\.(?:py|yaml|md))", text
    )
    assert [file for file in files if not (ROOT / file).exists() and file not in NEW] == []


def table_of_values():
    """What docs/experiments.md says of values: the arguments of `-S` that do not work and that do, row by row."""
    rows = re.findall(r"^\|.*\| `(.+?)` \| `(.+?)`.*\|$", TEXTS["docs/experiments.md"], re.MULTILINE)
    return [[shlex.split(cell)[-1] for cell in row] for row in rows]


def test_the_values_of_the_docs_do_and_do_not_work(tmp_path):
    found = []
    for bad, good in table_of_values():
        shutil.copy(ROOT / "params.yaml", tmp_path)
        if good.endswith("0.2,0.4"):
            assert get_hydra_sweeps({"params.yaml": [good]})
            continue
        apply_overrides(tmp_path / "params.yaml", [good])
        found.append(read_yaml(tmp_path / "params.yaml"))
        shutil.copy(ROOT / "params.yaml", tmp_path)
        if not good.startswith("train.archs"):  # which DVC refuses only when it makes stages of it
            with pytest.raises((HydraException, InvalidArgumentError)):
                apply_overrides(tmp_path / "params.yaml", [bad])
    one, slash, new, path = found
    assert one["train"]["archs"] == ["mlp_1x512"]
    assert slash["archs"]["timm/resnet18"] == {**new["archs"]["timm/resnet18"], "lr": 0.1}
    assert new["archs"]["my_net"] == {"lr": 0.1}
    assert path["dataset"]["source"] == "/data/a(1).zip"


def test_the_way_back_goes_back_also_where_git_sees_no_change(tmp_path):
    pages = [page for page in TEXTS.values() if "checkout HEAD -- params.yaml" in page]
    assert len(pages) >= 4
    assert all(re.search(r"rm params\.yaml(; |\n)git checkout HEAD -- params\.yaml", page) for page in pages)
    line = re.search(r"^rm params\.yaml; .*$", README, re.MULTILINE)[0]
    file, index = tmp_path / "params.yaml", tmp_path / ".git/index"

    def git(*arguments):
        who = ("-c", "user.name=test", "-c", "user.email=test@test")
        return subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True).stdout

    git("init", "--quiet")
    file.write_text("level: 1.0\n")
    git("add", "params.yaml")
    git("commit", "--quiet", "--message", "state")
    for _ in range(10):
        subprocess.run(["sh", "-euc", line], cwd=tmp_path, check=True, capture_output=True)
        assert file.read_text() == "level: 1.0\n"
        file.write_text("level: 1.5\n")  # at equal size, in the second in which Git wrote the file
        os.utime(index, (time.time() + 5,) * 2)  # and then the index, as DVC does


def test_make_help_has_a_line_for_every_target():
    targets = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[1].split()
    assert {*re.findall(r"^## make ([\w-]+)", MAKEFILE, re.MULTILINE), "help"} == set(targets)


def test_the_readme_names_the_stages_of_the_headline_and_folders_that_are_there():
    pipeline = (ROOT / "dvc.yaml").read_text(encoding="utf-8").partition("\nplots:")[0]
    assert re.findall(r"^\| `(\w+)", README, re.MULTILINE) == re.findall(r"^  (\w+):$", pipeline, re.MULTILINE)
    layout = BLOCK.findall(README.partition("## Layout")[2])[0][1]
    names = [name for line in layout.splitlines() for name in re.findall(r"[\w.]+/?", line[:23])]
    assert len(names) > 10
    assert [name for name in names if not (ROOT / name).exists() and name not in ("data/", "runs/")] == []
    rooms = re.findall(r"\w+", layout.partition("the library: ")[2].partition(";")[0])
    assert set(rooms) == {path.parent.name for path in ROOT.glob("rethinking/*/__init__.py")}


# --- What the reader is told to write


def written(page, function):
    """The names that the page's block of Python with that function defines."""
    (block,) = (block for kind, block in BLOCK.findall(TEXTS[page]) if kind == "python" and f"def {function}(" in block)
    namespace = {}
    exec(block, namespace)
    return namespace


def test_the_architecture_of_the_readme_is_one():
    model = written("README.md", "build")["build"]((3, 28, 28), 10, 0.0)
    assert model(torch.zeros(2, 3, 28, 28)).shape == (2, 10)


def test_the_corruption_of_the_readme_passes_its_audit():
    module, data = written("README.md", "corrupt"), lit_data(40, 20)
    changed = module["corrupt"](data, Request(level=0.0, seed=0, input_size=28))
    assert {name: array.dtype for name, array in changed.items()} == {
        "train_images": np.uint8,
        "test_images": np.uint8,
    }
    assert module["audit"](data, changed, Request(level=0.0, seed=0, input_size=28))["ok"]


def test_the_data_set_of_the_docs_reads_what_export_writes(tmp_path):
    data = lit_data(40, 20)
    names = ("train_images", "train_labels", "test_images", "test_labels")
    arrays = {name: getattr(data, name) for name in names}
    np.savez_compressed(tmp_path / "mine.npz", **arrays)
    raw = written("docs/adding.md", "read")["read"](str(tmp_path / "mine.npz"), Path("downloads"))
    assert all(np.array_equal(getattr(raw, name), array) for name, array in arrays.items())
    assert raw.class_names == [str(label) for label in range(10)]
