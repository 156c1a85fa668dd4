"""Every command of docs/sharing.md, as it stands there, on a small copy of the project and a local remote."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.pipeline_helpers import ROOT, Copy, copy_of_project, stages_run

MLP = "mlp_1x512"
SMALL = {
    "dataset.name": "digits",
    "dataset.train_size": 60,
    "dataset.test_size": 30,
    "train.archs": [MLP],
    "train.epochs": 2,
    "train.batch_size": 20,
    "train.device": "cpu",
    "train.live": False,
}
BLOCK = re.compile(r"^```sh(?: (?P<kind>\w+))?\n(?P<commands>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks():
    """The commands of the document, block by block: (kind, lines); a kind says where they are executed."""
    text = (ROOT / "docs/sharing.md").read_text(encoding="utf-8")
    return [(block["kind"] or "here", block["commands"].splitlines()) for block in BLOCK.finditer(text)]


def execute(copy, command):
    """Run a line in a shell; `make` takes the installed environment as it is."""
    return copy.run("sh", "-euc", command.replace("make ", "make --old-file .venv/installed "))


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy that has run a small headline pipeline, on the branch main, and is pushed to an `origin`."""
    folder = tmp_path_factory.mktemp("sharing")
    copy = copy_of_project(folder / "project", [])
    copy.git("branch", "--move", "main")
    copy.change_params(SMALL)
    copy.repro()
    copy.commit()
    copy.git("clone", "--quiet", "--bare", str(copy.folder), str(folder / "origin.git"))
    copy.git("remote", "add", "origin", str(folder / "origin.git"))
    copy.git("push", "--quiet", "--set-upstream", "origin", "main")
    yield copy
    shutil.rmtree(folder)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_every_command_of_the_document_does_what_it_says(copy, monkeypatch):
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    trained = copy.hashes("runs")
    said = {}
    for kind, commands in blocks():
        where = copy
        if kind == "configure":
            where = copy.duplicate(copy.folder.parent / "configured")
            where.dvc("remote", "remove", "storage")
        if kind == "clone":
            where = Copy(copy.folder.parent / "clone")
            copy.git("clone", "--quiet", str(copy.folder.parent / "origin.git"), str(where.folder))
        for command in commands:
            said[command] = execute(where, command)
        if kind == "configure":
            name, url = commands[0].split()[-2:]
            assert where.dvc("remote", "list").split()[:2] == [name, url]
            assert "--local" not in where.git("diff", ".dvc/config")
            shutil.rmtree(where.folder)
        if kind == "clone":
            assert where.hashes("runs") == trained
            assert stages_run(said["dvc repro --pull"]) == []
            assert (where.folder / "dataset.npz").exists()

    assert "corrupt.level" in said["dvc params diff main"]
    for command in ("dvc metrics diff main", "dvc metrics diff main half-the-labels"):
        assert f"{MLP}.test_accuracy" in said[command]
    assert "half-the-labels" in said["dvc exp show --all-branches"]
    assert stages_run(said["dvc exp run --set-param corrupt.level=0.5"])[:2] == ["validate", "corrupt"]
    assert (copy.folder / "dvc_plots/index.html").exists()
    assert copy.hashes("runs") == trained, "the last block brings back the results of main"
    assert copy.git("status", "--porcelain", "--untracked-files=no") == ""
