"""What the tests share: parameter files, stages run as a user runs them, and the real data where there are any."""

import os
import subprocess
from copy import deepcopy
from pathlib import Path

import pytest

from rethinking.core.cores import available_cores
from tests.stage_processes import ROOT, StageProcess
from tests.yaml_text import as_yaml

# Tests run side by side, a thread each, whose numbers then do not depend on how many cores there are.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The files that take longest, which begin first, so that none is left when the others are done.
LONGEST = (
    *("stages/test_pipeline", "tools/test_sharing", "tools/test_run", "stages/test_kills", "stages/test_theory"),
    *("faults/test_torture", "imagenet/test_training", "imagenet/test_pipeline"),
)


def set_keys(document, changes):
    """Set keys such as {"corrupt.level": 0.5} in nested sections, which are made where absent."""
    for key, value in changes.items():
        *sections, last = key.split(".")
        section = document
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = deepcopy(value)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One more than there are cores, as many tests wait for processes that they started."""
    return available_cores() + 1


def pytest_collection_modifyitems(items):
    """Sort by file, the longest first; --no-loadscope-reorder keeps this order."""
    rank = {ROOT / f"tests/{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture
def write_parameters(tmp_path):
    """Write a small valid params.yaml with some keys changed, such as {"corrupt.level": 0.5}; return its path."""

    def write(changes=()):
        document = {
            "dataset": {"name": "digits"},
            "corrupt": {"kind": "labels", "level": 1.0},
            "train": {"archs": ["mlp_1x512"], "epochs": 1},
            "archs": {"mlp_1x512": {"lr": 0.01}, "alexnet": {"lr": 0.01}},
        }
        set_keys(document, dict(changes))
        path = tmp_path / "params.yaml"
        path.write_text(as_yaml(document), encoding="utf-8")
        return path

    return write


@pytest.fixture
def run_stage(tmp_path):
    """Run `python -m stages.NAME ARGUMENTS` in an empty folder, perhaps with a limit on the size of its files."""

    def run(name, *arguments, **limits):
        stage = StageProcess(name, *arguments, folder=tmp_path, **limits)
        code = stage.wait(120)
        return subprocess.CompletedProcess((name, *arguments), code, *stage.communicate())

    return run


@pytest.fixture
def failure(run_stage):
    """Run a stage that must fail with one `error: ` line on stderr; return its exit code and that line."""

    def run(name, *arguments, **limits):
        result = run_stage(name, *arguments, **limits)
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("error: ")
        return result.returncode, lines[0]

    return run


@pytest.fixture
def real_data():
    """The path of a real data file below $REPRO_DATA; skip the test where it is absent."""

    def find(name):
        path = Path(os.environ.get("REPRO_DATA", "no-such-folder")) / name
        if not path.exists():
            pytest.skip(f"real data '{name}' is absent; set REPRO_DATA to the folder that holds it")
        return path

    return find
