"""The harness of `make torture` on the quick half of the pipeline, and what it led to, each by itself."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys

import pytest

from rethinking.core.files import new_file, new_folder
from tests.conftest import ROOT
from tests.faults.disturbed import LOCK, cut_short
from tests.faults.torture import Bench, damaged, full_disk

PARAMS = """
dataset: {name: digits, train_size: 500, test_size: 100}
corrupt: {kind: labels, level: 1.0}
train: {archs: [mlp_1x512], epochs: 4000, batch_size: 20, live: false, device: cpu, checkpoint_every: 4000}
archs: {mlp_1x512: {lr: 0.01}}
"""


def under_dvc(folder, code=ROOT):
    """The environment of a stage that DVC starts, with the code in a folder."""
    return {**os.environ, "PYTHONPATH": str(code), "DVC_STAGE": "a-stage", "OMP_NUM_THREADS": "1"}


def test_the_harness_finds_the_same_results_after_a_full_disk_and_a_lock_cut_short(tmp_path):
    bench = Bench(tmp_path, "demo/dvc.yaml:corrupt@labels-0.5")
    assert "data/corrupted/demo/labels-0.5/train_labels.npy" in bench.expected
    (disk,) = full_disk("stage")(bench, random.Random(0), 1)
    (lock,) = damaged(cut_short, lambda copy: [copy.folder / LOCK], ())(bench, random.Random(1), 1)
    assert disk.wrong == lock.wrong == []
    assert disk.disturbed
    assert disk.said


def test_a_stage_ends_without_a_result_when_its_dvc_is_killed(tmp_path, run_stage):
    (tmp_path / "params.yaml").write_text(PARAMS)
    for stage, arguments in (("fetch", "--out raw"), ("corrupt", "--raw raw --out data")):
        assert run_stage(stage, *arguments.split()).returncode == 0
    training = [sys.executable, "-m", "stages.train", "--arch", "mlp_1x512"]
    training += ["--raw", "raw", "--data", "data", "--out", "run"]
    dvc = f"import subprocess; subprocess.run({training}, stdin=subprocess.PIPE)"
    process = subprocess.Popen(
        [sys.executable, "-c", dvc], cwd=tmp_path, env=under_dvc(tmp_path), stderr=subprocess.PIPE, text=True
    )
    started = ""
    while "step/s" not in started:  # its progress bar
        started += process.stderr.read(1)
    process.kill()
    process.wait()
    said = process.stderr.read()  # until the stage, too, has closed it
    assert "error: the dvc that started this stage was killed" in said
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize(
    ("name", "edited"),
    [("params.yaml", True), ("rethinking/core/config.py", True), ("stages/plot.py", False)],
    ids=["parameters", "code that was loaded", "code that was not"],
)
def test_an_edit_while_a_stage_runs_under_dvc_is_an_error_where_the_stage_read_the_file(tmp_path, name, edited):
    for folder in ("stages", "rethinking"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "params.yaml").write_text(PARAMS)
    began = "import runpy, sys; from rethinking.core import errors; print('began', flush=True); input(); "
    began += "sys.argv[1:] = ['--out', 'valid.txt']; runpy.run_module('stages.validate', run_name='__main__')"
    process = subprocess.Popen(
        [sys.executable, "-c", began],
        cwd=tmp_path,
        env=under_dvc(tmp_path, tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "began\n"
    (tmp_path / name).write_text((tmp_path / name).read_text() + "# an edit\n")
    _, said = process.communicate("\n")
    assert process.returncode == (1 if edited else 0)
    assert (f"{name} was edited while this stage ran; run `dvc repro` again" in said) == edited


@pytest.mark.parametrize("new", [new_file, new_folder])
def test_what_a_killed_process_was_writing_is_removed_by_the_next(tmp_path, new):
    killed = f"import sys; from pathlib import Path; from rethinking.core.files import {new.__name__} as new\n"
    killed += "with new(Path('out/result')) as partial:\n"
    killed += (
        " (partial if partial.exists() else partial.parent / partial.name).exists() or partial.write_text('half')\n"
    )
    killed += " print(flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", killed],
        cwd=tmp_path,
        env=under_dvc(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    assert list(tmp_path.glob("out/.result.*.partial"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    with new(tmp_path / "out/result") as partial:
        if new is new_file:
            partial.write_text("whole")
        assert list(tmp_path.glob("out/.result.*.partial")) == [partial]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["result"]


@pytest.mark.parametrize("new", [new_file, new_folder])
def test_a_full_disk_says_whose_result_it_has_no_room_for(tmp_path, new):
    with pytest.raises(OSError, match="result") as full, new(tmp_path / "result"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert full.value.filename == str(tmp_path / "result")
    assert list(tmp_path.iterdir()) == []


def dvc_in_a_repository(folder):
    """Make a repository with a file folder/two; return what runs DVC there."""

    def dvc(*arguments):
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, check=True, capture_output=True)

    dvc("init", "--no-scm")
    (folder / "folder").mkdir()
    (folder / "folder/two").write_text("two")
    return dvc


def test_verify_deletes_what_is_damaged_in_the_cache_and_nothing_else(tmp_path, run_stage):
    (tmp_path / "one").write_text("one")
    dvc_in_a_repository(tmp_path)("add", "one", "folder")
    objects = sorted(path for path in (tmp_path / ".dvc/cache/files/md5").rglob("*") if path.is_file())
    assert len(objects) == 3
    (objects[0].parent / ".half.tmp").write_text("what DVC is just writing")
    assert "0 damaged" in run_stage("tools.verify").stdout
    objects[1].chmod(0o644)
    objects[1].write_text("tow")
    assert f"damaged, deleted: {objects[1]}" in run_stage("tools.verify").stdout
    assert [path.exists() for path in objects] == [True, False, True]
    assert (objects[0].parent / ".half.tmp").exists()


def test_verify_deletes_damaged_outputs_of_stages_and_no_folder_of_ones_own(tmp_path, run_stage):
    dvc_in_a_repository(tmp_path)("stage", "add", "-n", "stage", "-o", "data/raw", "true")
    for name in ("raw", "mine"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "meta.json").write_text('{"camera": "my own"}')
    assert "damaged, deleted: data/raw\n" in run_stage("tools.verify").stdout
    assert [path.name for path in (tmp_path / "data").iterdir() if path.is_dir()] == ["mine"]


def test_verify_deletes_the_list_that_dvc_makes_of_a_damaged_list_of_files(tmp_path, run_stage):
    dvc = dvc_in_a_repository(tmp_path)
    dvc("stage", "add", "--run", "-n", "stage", "-d", "folder", "-o", "out", "cp -r folder out")
    (listed,) = (tmp_path / ".dvc/cache/files/md5").rglob("*.dir")
    listed.chmod(0o644)
    listed.write_text(listed.read_text().replace("two", "owt"))
    listed.chmod(0o444)
    shutil.rmtree(tmp_path / "out")
    dvc("repro")
    assert (tmp_path / "out/owt").exists(), "DVC checks its lists by now"
    assert "2 damaged" in run_stage("tools.verify").stdout
    dvc("repro")
    assert (tmp_path / "out/two").read_text() == "two"
