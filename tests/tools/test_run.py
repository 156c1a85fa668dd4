"""Stages at once give what `dvc repro` gives, and nothing is lost or left behind when they fail, stop or die."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import psutil
import pytest

from rethinking.core.config import Resources
from rethinking.core.cores import available_cores
from rethinking.core.files import read_yaml
from rethinking.parallel.graph import planned_stages
from tests.pipeline_helpers import ROOT, Copy, copy_of_project, errors, stages_run, wait_until
from tests.yaml_text import as_yaml
from tools.run import resources_of

# A file appears, for at most twenty seconds.
AWAIT = "for i in $(seq 400); do test -e {0} && break; sleep 0.05; done; test -e {0}"

# Counts to 100 in a minute; a signal saves where it was, and the next start goes on from there.
COUNTER = """
import pathlib, signal, sys, time
state = pathlib.Path("state")
count = int(state.read_text()) if state.exists() else 0
def save(*_):
    state.write_text(str(count))
    sys.exit(130)
signal.signal(signal.SIGINT, save)
seconds = 60 if count == 0 else 0
while count < 100:
    count += 1
    print("count", count, file=sys.stderr)
    pathlib.Path("counting").touch()
    time.sleep(seconds / 100)
pathlib.Path("counted").write_text(str(count))
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Make a small DVC repository of these stages, perhaps with parameters and Git; return it as a working copy."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def make(stages, params=None, name="repository", git=False):
        folder = tmp_path / name
        (folder / ".dvc").mkdir(parents=True)
        settings = "autostage = true" if git else "no_scm = true"
        (folder / ".dvc/config").write_text(f"[core]\n    analytics = false\n    {settings}\n")
        (folder / ".dvc/.gitignore").write_text("/tmp\n/cache\n")
        for file, content in {"dvc.yaml": {"stages": stages}, "params.yaml": params}.items():
            if content is not None:
                (folder / file).write_text(as_yaml(content))
        copy = Copy(folder)
        if git:
            # As in the project: else DVC lists outputs in .gitignore files, in the order in which they come.
            (folder / ".gitignore").write_text("/folder/\n/first\n/last\n")
            copy.git("init", "--quiet", "--template=")
            copy.commit()
        return copy

    return make


def runner(*arguments):
    return [sys.executable, "-m", "tools.run", *arguments]


def started(output):
    return [line.split()[1] for line in output.splitlines() if line.startswith("started ")]


def account(output):
    """What the runner says at its end; a Ray that lost a node may say more."""
    return [line for line in output.splitlines() if re.match(r"\d+ stages: ", line)][-1]


def lock(copy, name="dvc.lock"):
    return read_yaml(copy.folder / name)


def diamond(**changed):
    return {
        "a": {"cmd": "echo ${seed} > a", "params": ["seed"], "outs": ["a"]},
        "b": {"cmd": "cat a > b; echo b >> b", "deps": ["a"], "outs": ["b"]},
        "c": {"cmd": "cat a > c; echo c >> c", "deps": ["a"], "outs": ["c"]},
        "d": {"cmd": "cat b c > d", "deps": ["b", "c"], "metrics": [{"d": {"cache": False}}]},
    } | changed


def wide(number):
    """A stage, `number` that need it by a matrix, and one that needs their folder."""
    return {
        "first": {"cmd": "echo first > first", "outs": ["first"]},
        "wide": {
            "matrix": {"name": [f"w{each}" for each in range(number)]},
            "cmd": "cat first > folder/${item.name}; echo ${item.name} >> folder/${item.name}",
            "deps": ["first"],
            "outs": ["folder/${item.name}"],
        },
        "last": {"cmd": "cat folder/w* > last", "deps": ["folder"], "outs": ["last"]},
    }


# --- The same results


def test_the_same_bytes_and_the_same_lock_as_dvc_repro(repository, monkeypatch):
    serial, parallel = (repository(wide(3), name=name, git=True) for name in ("serial", "parallel"))
    for copy in (serial, parallel):
        (copy.folder / "folder").mkdir()
    monkeypatch.chdir(serial.folder)
    plan = [stage.name for stage in planned_stages(["dvc.yaml"])]
    assert serial.repro() == plan
    assert sorted(started(parallel.run(*runner("--jobs", "4")))) == sorted(plan)
    assert lock(parallel) == lock(serial)
    outputs = ("folder", ".dvc/cache")
    assert parallel.hashes(*outputs) == serial.hashes(*outputs)
    assert (parallel.folder / "last").read_bytes() == (serial.folder / "last").read_bytes()
    assert parallel.dvc("status") == serial.dvc("status")
    assert parallel.git("diff", "--cached", "--name-only") == serial.git("diff", "--cached", "--name-only")


def test_targets_are_those_of_dvc_repro_and_what_is_named_first_starts_first(repository, monkeypatch):
    """DVC would keep the order of its graph."""
    copy = repository(diamond(), {"seed": 1})
    assert started(copy.run(*runner("--jobs", "1", "c", "b"))) == ["a", "c", "b"]
    monkeypatch.chdir(copy.folder)
    for targets in (["c", "b"], ["d"]):
        plan = [stage.name for stage in planned_stages(targets)]
        assert sorted(plan) == sorted(stages_run(copy.dvc("repro", "--dry", "--force", *targets)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none_such"], "none_such"),
        (["--jobs", "0"], "--jobs: found 0; expected 1 or more"),
        (["--threads", "0"], "--threads: found 0; expected 1 or more"),
    ],
)
def test_a_wrong_argument_is_one_sentence(repository, arguments, words):
    (message,) = errors(repository(diamond(), {"seed": 1}).run(*runner(*arguments), succeeds=False))
    assert words in message


@pytest.mark.slow
def test_the_demo_four_wide_has_the_bytes_of_a_serial_one(tmp_path, monkeypatch):
    """Three minutes serially and less at once: `pytest -m slow tests/tools/test_run.py`."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    serial, parallel = (copy_of_project(tmp_path / name / "project") for name in ("serial", "parallel"))
    serial.dvc("repro", "demo/dvc.yaml")
    parallel.run(*runner("--jobs", "4", "demo/dvc.yaml"))
    outputs = ("data", "runs", "demo/metrics", "demo/plots", ".dvc/cache/files")
    assert len(parallel.hashes("runs")) >= 12
    assert parallel.hashes(*outputs) == serial.hashes(*outputs)
    assert lock(parallel, "demo/dvc.lock") == lock(serial, "demo/dvc.lock")


# --- Only what changed


def test_what_is_up_to_date_is_not_started(repository):
    copy = repository(diamond(), {"seed": 1})
    assert copy.repro() == ["a", "b", "c", "d"]
    assert account(copy.run(*runner("--jobs", "2"))) == "4 stages: 4 unchanged"
    (copy.folder / "b").unlink()
    output = copy.run(*runner("--jobs", "2"))
    assert "b" in started(output)
    assert "a" not in started(output)
    assert "1 restored" in account(output)
    assert (copy.folder / "b").read_text() == "1\nb\n"


def test_a_stage_that_ran_to_the_same_output_starts_nothing_downstream(repository):
    stages = wide(4) | {"first": {"cmd": "echo first > first", "params": ["seed"], "outs": ["first"]}}
    copy = repository(stages, {"seed": 1})
    (copy.folder / "folder").mkdir()
    copy.repro()
    copy.change_params({"seed": 2})
    output = copy.run(*runner("--jobs", "2"))
    assert started(output) == ["first"]
    assert account(output) == "6 stages: 1 done, 5 unchanged"


# --- No more than fits


def overlap(log):
    """The largest number of stages that were between their `+` and their `-` at once."""
    depth = [0]
    for mark in log.read_text().split():
        depth.append(depth[-1] + (1 if mark == "+" else -1))
    return max(depth)


@pytest.mark.parametrize(("resources", "expected"), [({}, 3), ({"s@*": {"cores": available_cores()}}, 1)])
def test_no_more_at_once_than_jobs_and_declared_cores(repository, resources, expected):
    full = f"for i in $(seq 400); do test $(grep -c + log) -ge {expected} && break; sleep 0.05; done; sleep 1"
    stage = {"matrix": {"name": list("abcd")}, "cmd": f"echo + >> log; {full}; echo - >> log; echo > ${{item.name}}"}
    copy = repository({"s": {**stage, "outs": ["${item.name}"]}}, {"resources": resources})
    if expected == 1:  # two stages show it as well as four
        copy.run(*runner("--jobs", "3", "s@a", "s@b"))
    else:
        copy.run(*runner("--jobs", "3"))
    assert overlap(copy.folder / "log") == expected


def test_each_of_several_gpus_gets_its_stage_with_the_number_of_threads_that_was_asked_for(repository, monkeypatch):
    """Each of two stages waits for the other, which no serial order can end."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,7")
    other = {"one": "two", "two": "one"}
    copy = repository(
        {
            name: {
                "cmd": f"touch here-{name}; {AWAIT.format(f'here-{other[name]}')} && "
                f"echo $CUDA_VISIBLE_DEVICES $OMP_NUM_THREADS > {name}",
                "outs": [name],
            }
            for name in other
        }
    )
    copy.run(*runner("--jobs", "2", "--threads", "5"))
    assert {(copy.folder / name).read_text() for name in other} == {"3 5\n", "7 5\n"}


def test_a_stage_gets_all_the_gpus_it_asks_for(repository, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,7")
    stages = {name: {"cmd": f"echo $CUDA_VISIBLE_DEVICES > {name}", "outs": [name]} for name in ("two", "all")}
    resources = {"two": {"gpus": 2}, "all": {"gpus": 3}}
    copy = repository(stages, {"resources": resources})
    output = copy.run(*runner("--jobs", "2"))
    assert "started all on GPU 3,5,7\n" in output
    assert [(copy.folder / name).read_text() for name in stages] == ["3,5\n", "3,5,7\n"]

    copy = repository(stages, {"resources": {**resources, "all": {"gpus": 8}}}, "more")
    (message,) = errors(copy.run(*runner(), succeeds=False))
    assert message == "resources: found gpus: 8 for all, but this machine has 3; set at most 3"
    assert not (copy.folder / "two").exists()


def test_a_wrong_share_is_one_sentence(repository):
    copy = repository(diamond(), {"seed": 1, "resources": {"a": {"core": 2}}})
    (message,) = errors(copy.run(*runner(), succeeds=False))
    assert message == "resources.a.core: unknown key (did you mean 'cores'?); allowed: cores, gpu, gpus (params.yaml)"


# --- Failures


def test_a_failure_leaves_out_only_what_needs_it_and_says_why(repository):
    why = "echo error: the level is wrong >&2; exit 3"
    stages = diamond(b={"cmd": why, "deps": ["a"], "outs": ["b"]}, alone={"cmd": "echo > alone", "outs": ["alone"]})
    copy = repository(stages, {"seed": 1})
    output = copy.run(*runner("--jobs", "2"), succeeds=False)
    assert account(output) == "5 stages: 3 done, 1 failed, 1 left out"
    assert "failed: b, after" in output
    assert "    error: the level is wrong\n" in output
    assert "left out, as b failed: d\n" in output
    assert set(lock(copy)["stages"]) == {"a", "c", "alone"}

    with open(copy.folder / "dvc.yaml", encoding="utf-8") as file:
        mended = file.read().replace("exit 3", "echo mended > b")
    (copy.folder / "dvc.yaml").write_text(mended)
    assert account(copy.run(*runner("--jobs", "2"))) == "5 stages: 2 done, 3 unchanged"


# --- Stopped and killed


@pytest.fixture
def counter(repository):
    """A repository in which a stage counts and another waits for it."""
    copy = repository(
        {
            "count": {"cmd": f"{sys.executable} counter.py", "deps": ["counter.py"], "outs": ["counted"]},
            "after": {"cmd": "cat counted > after", "deps": ["counted"], "outs": ["after"]},
        }
    )
    (copy.folder / "counter.py").write_text(COUNTER)
    return copy


@pytest.fixture
def counting(counter):
    """The repository and the runner, started, with the count begun."""
    copy = counter
    process = copy.start(*runner("--jobs", "2"))
    try:
        wait_until((copy.folder / "counting").exists)
        yield copy, process
    finally:
        for each in processes(copy):
            each.kill()
        process.kill()
        process.communicate()


def processes(copy):
    """Every process that works in the repository, but the runner."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(copy.folder) and "tools.run" not in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_runner_lets_its_stages_save_and_a_second_start_continues(counting, signal_number):
    copy, process = counting
    process.send_signal(signal_number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal_number
    assert errors(output) == ["stopped; run the same command again to continue"]
    assert account(output) == "2 stages: 2 waiting"
    assert processes(copy) == []
    assert 0 < int((copy.folder / "state").read_text()) < 100
    assert account(copy.run(*runner("--jobs", "2"))) == "2 stages: 2 done"
    assert (copy.folder / "after").read_text() == "100"


def test_nothing_is_left_behind_when_the_runner_is_killed(counting):
    copy, process = counting
    assert len(processes(copy)) >= 2  # DVC and its command
    process.kill()
    wait_until(lambda: not processes(copy), seconds=20)
    (copy.folder / "state").write_text("99")
    assert account(copy.run(*runner("--jobs", "2"))) == "2 stages: 2 done"


def test_a_command_ends_when_its_dvc_is_killed(counting):
    copy, process = counting
    next(each for each in processes(copy) if "repro" in each.cmdline()).kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert account(output) == "2 stages: 1 failed, 1 left out"
    assert processes(copy) == []


# --- On a terminal


def test_the_live_view_shows_what_runs_and_its_progress(counter):
    ours, theirs = os.openpty()
    on_terminal = psutil.Popen(runner("--jobs", "2"), cwd=counter.folder, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while b"count 2" not in seen:
        seen += os.read(ours, 65536)
    assert b"1 running" in seen
    assert b"1 waiting" in seen
    on_terminal.terminate()
    while True:
        try:
            seen += os.read(ours, 65536)
        except OSError:
            break
    assert on_terminal.wait(60) == 128 + signal.SIGTERM
    assert b"\x1b[?25h" in seen  # the cursor is back


def test_a_project_file_of_ours_is_planned(monkeypatch):
    monkeypatch.chdir(ROOT)
    stages = planned_stages(["demo/dvc.yaml"])
    names = [stage.name for stage in stages]
    assert names.index("demo/dvc.yaml:fetch") < names.index("demo/dvc.yaml:evaluate")
    assert {stage.folder for stage in stages} == {Path("demo")}
    assert json.dumps(names).count("train@") == 12


def test_what_the_project_says_of_its_stages_reaches_them(monkeypatch):
    monkeypatch.chdir(ROOT)
    rows = planned_stages(["imagenet/dvc.yaml:train@true_all", "imagenet/dvc.yaml:train_tiny@true_all"])
    kernels = planned_stages(["theory/dvc.yaml:kernel@mnist-pixels"])
    assert {name: each.gpus for name, each in resources_of(rows).items() if each.gpus} == {
        "imagenet/dvc.yaml:train@true_all": 8
    }
    assert resources_of(kernels)["theory/dvc.yaml:kernel@mnist-pixels"] == Resources(cores=16, gpu=0.4)
