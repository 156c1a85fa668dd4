"""A training process killed at random moments ends, once it is left alone, with the bytes of an undisturbed run."""

import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from rethinking.core.tables import read_table
from tests.stage_processes import StageProcess

OUTPUTS = ("model.safetensors", "metrics.json", "curves.csv", "steps.csv")
# SIGKILL saves nothing by itself, so it is tried at more moments.
KILLS = {signal.SIGKILL: 4, signal.SIGTERM: 1, signal.SIGINT: 1}

PARAMS = """
dataset: {name: digits, train_size: 500, test_size: 100}
corrupt: {kind: labels, level: 1.0}
train: {archs: [mlp_1x512], epochs: 40, batch_size: 20, live: false, device: cpu}
regularizers: {random_crop: true, dropout: 0.2}
archs: {mlp_1x512: {lr: 0.01}}
"""


def training(out):
    return StageProcess("train", "--arch", "mlp_1x512", "--raw", "raw", "--data", "data", "--out", out)


def outputs(run):
    return {name: (run / name).read_bytes() for name in OUTPUTS}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A folder with the data and a run that nobody disturbed, and how long that took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "params.yaml").write_text(PARAMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert StageProcess("fetch", "--out", "raw").wait() == 0
        assert StageProcess("corrupt", "--raw", "raw", "--out", "data").wait() == 0
        start = time.monotonic()
        assert training("run").wait() == 0
    shutil.rmtree(folder / "checkpoints")
    return folder, time.monotonic() - start


@pytest.mark.parametrize("killer", KILLS)
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(undisturbed, tmp_path, monkeypatch, killer):
    whole, seconds = undisturbed
    shutil.copytree(whole, tmp_path / "copy", ignore=shutil.ignore_patterns("run"))
    monkeypatch.chdir(tmp_path / "copy")
    chance = random.Random(killer)
    for _ in range(KILLS[killer]):
        shutil.rmtree("run", ignore_errors=True)  # as DVC does before it starts a stage
        process = training("run")
        time.sleep(chance.uniform(0.3, 1.0) * seconds)
        process.send_signal(killer)
        process.wait()
        assert not Path("run").exists() or outputs(Path("run")) == outputs(whole / "run")
    assert training("run").wait() == 0
    assert len(read_table(Path("run/curves.csv"))) == 40
    assert outputs(Path("run")) == outputs(whole / "run")
