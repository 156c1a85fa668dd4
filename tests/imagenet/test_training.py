"""A row of table 2 ends with the same bytes on one process and on two, on one machine or two, whatever kills them."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.numpy import load_file

from rethinking.core.files import read_json
from rethinking.core.interrupts import Stopped
from rethinking.core.tables import read_table
from rethinking.imagenet.common.config import load
from rethinking.imagenet.common.index import open_index
from rethinking.imagenet.training import loop
from rethinking.imagenet.training.loop import Progress, Training, Watch, summarise
from rethinking.imagenet.training.network import network, open_labels
from rethinking.imagenet.training.processes import Processes
from tests.imagenet.image_sets import noise, prepare, stage, training, write_params
from tests.pipeline_helpers import progress
from tests.sources.archives import write_folder
from tests.stage_processes import ROOT, StageProcess

OUTPUTS = ("model.safetensors", "last_weights.safetensors", "metrics.json", "curves.csv", "steps.csv")
STEPS = 6
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills processes by their place in Linux's tree")


def outputs(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in OUTPUTS}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with images, index, labels and a row that one process trained and nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare(folder)
        assert training().wait() == 0
    shutil.rmtree(folder / "checkpoints")
    return folder


@pytest.fixture
def copy(whole, tmp_path, monkeypatch):
    """The same without the run, to train in."""
    shutil.copytree(whole, tmp_path / "copy", ignore=shutil.ignore_patterns("run"))
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def use(copy: Path, **train: object) -> None:
    """Change the section train; the images stay where they were indexed."""
    write_params(copy, copy / "images", **train)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def together(processes: int, out: str = "run") -> list[StageProcess]:
    """So many processes that train together, told their places as torchrun does."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "GLOO_SOCKET_IFNAME": "lo"}
    return [training(out=out, RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=processes, **place) for rank in range(processes)]


def trained(whole: Path, parameters, stops: range, checkpoint: Path) -> tuple[dict[str, torch.Tensor], Progress, int]:
    """The state at the end, the progress, and how often it was asked whether to stop; each time of `stops` it is
    stopped and goes on."""
    index = open_index(whole / "index", parameters.dataset.path)
    labels, _ = open_labels(whole / "labels/labels-1.0", index)
    asked = 0

    def stop_requested() -> bool:
        nonlocal asked
        asked += 1
        return asked in stops

    while True:
        model = network(parameters.train, parameters.row("all"), len(index.class_names))
        place = Processes(0, 1, torch.device("cpu"))
        training = Training(model, index, labels, parameters.train, parameters.row("all"), place)
        try:
            progress = training.run(checkpoint, 1, Watch(stop_requested))
            return dict(training.step.tensors()), progress, asked
        except Stopped:
            assert checkpoint.exists()


def test_a_row_stopped_within_any_step_or_evaluation_continues_to_the_same_network(whole, tmp_path):
    parameters = load(whole / "params.yaml")
    expected, _, asked = trained(whole, parameters, range(0), tmp_path / "undisturbed")
    groups, batches_of_evaluations = 4 * STEPS, 3 * 3
    assert asked > groups + batches_of_evaluations
    for first in (1, 4):
        found, _, _ = trained(whole, parameters, range(first, 1000, 7), tmp_path / f"{first}")
        assert all(tensor.equal(expected[name]) for name, tensor in found.items()), first


def test_a_row_that_diverges_ends_at_the_same_step_wherever_it_was_stopped(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "WINDOW_STEPS", 1)  # so that it is known within an epoch
    parameters = load(whole / "params.yaml")
    parameters = parameters.model_copy(
        update={"train": parameters.train.model_copy(update={"lr": 1e12, "batch_size": 4})}
    )
    ends = []
    for name, stops in (("undisturbed", range(0)), ("stopped", range(6, 7))):
        _, progress, _ = trained(whole, parameters, stops, tmp_path / name)
        summary = summarise(progress, {"train_accuracy": 0.5})
        ends.append((summary["epochs"], summary["steps"], summary["diverged"], len(progress.windows)))
    assert ends[0] == ends[1]
    assert ends[0][2]


@pytest.mark.parametrize(("of_all", "epochs_to_fit"), [(0.9992, 4), (0.998, None)])
def test_a_row_that_fits_by_the_last_evaluation_alone_fits_at_its_end(of_all, epochs_to_fit):
    """The evaluations before it are of some of the images."""
    row = {"step": 8, "minibatch_loss": 0.1, "train_accuracy": 0.998, "test_accuracy": 0.5, "test_top5_accuracy": 0.9}
    summary = summarise(Progress(rows=[{**row, "epoch": 2}, {**row, "epoch": 4}]), {"train_accuracy": of_all})
    assert (summary["epochs_to_fit"], summary["fitted"]) == (epochs_to_fit, epochs_to_fit is not None)


def test_four_processes_take_the_same_step_to_rounding(copy):
    """Of a step alone: batch normalisation over two images makes much of a difference in the last bit."""
    use(copy, batch_size=16, epochs=1)
    assert training(out="run_1").wait() == 0
    shutil.rmtree("checkpoints")
    assert [process.wait() for process in together(4, "run_4")] == [0, 0, 0, 0]
    one, four = (load_file(f"run_{number}/last_weights.safetensors") for number in (1, 4))
    for name, weights in one.items():
        np.testing.assert_allclose(four[name], weights, rtol=1e-4, atol=1e-6, err_msg=name)


def workers_of(process: StageProcess) -> list[psutil.Process]:
    """The processes that train, started by the stage; empty before they are and after they have ended."""
    try:
        return [each for each in psutil.Process(process.pid).children(recursive=True) if "--row" in each.cmdline()]
    except psutil.Error:
        return []


def wait_for(condition, process: StageProcess) -> bool:
    """Wait until it holds, or the stage ends; whether it held."""
    while process.returncode is None:
        if condition():
            return True
        time.sleep(0.005)
    return False


def strikes(copy: Path, moment: str, chance: random.Random) -> bool:
    """Train with two processes and kill one or both after their next step, or inside a checkpoint; whether that hit."""
    saved, reached = steps_saved(copy), False
    both = [training()] if moment == "one" else together(2)
    if moment == "inside a checkpoint":
        wait_for(lambda: partial_checkpoints(copy), both[0])
    else:
        reached = wait_for(lambda: steps_saved(copy) > saved, both[0])
        time.sleep(chance.uniform(0, 0.3))
    if moment == "one":
        for trainer in workers_of(both[0])[-1:]:
            trainer.kill()
    else:
        for each in both:
            each.send_signal(signal.SIGKILL)
    killed = {each.wait() for each in both} != {0}
    assert not reached or steps_saved(copy) > saved
    if moment == "one" and killed:
        said = "was killed by SIGKILL, often for want of memory; run the same command again"
        assert said in both[0].communicate()[1]
    return bool(partial_checkpoints(copy)) if moment == "inside a checkpoint" else killed


def test_a_row_killed_again_and_again_on_two_processes_is_finished_by_one_with_the_same_bytes(whole, copy):
    """`KILLS=10` kills it more often."""
    kills, chance, struck = int(os.environ.get("KILLS", "3")), random.Random(0), 0
    for _ in range(5 * kills):
        use(copy, processes=2)
        saved = steps_saved(copy)
        struck += strikes(copy, ("one", "inside a checkpoint", "both")[struck % 3], chance)
        if (copy / "run").exists():  # it ended before it was hit; the next begins from the start
            assert outputs(copy / "run") == outputs(whole / "run")
            shutil.rmtree("run")
            shutil.rmtree("checkpoints")
        else:
            assert steps_saved(copy) >= saved
        if struck == kills:
            break
    assert struck == kills
    use(copy, processes=1, workers=2)
    assert training().wait() == 0
    assert outputs(copy / "run") == outputs(whole / "run")


def partial_checkpoints(copy: Path) -> list[Path]:
    return list(copy.glob("checkpoints/.*.partial"))


def steps_saved(copy: Path) -> int:
    """How many steps are safe in the checkpoint."""
    found = [progress(path) for path in copy.glob("checkpoints/*.safetensors")]
    return max(((each["epoch"] - 1) * (STEPS // 3) + each["step"] for each in found), default=0)


@pytest.mark.parametrize(("processes", "number"), [(2, signal.SIGTERM), (1, signal.SIGINT)])
def test_a_stop_is_agreed_by_all_processes_which_save_and_end_in_one_sentence(whole, copy, processes, number):
    use(copy, processes=processes, checkpoint_every=1000, epochs=300, evaluate_every=300)
    process = training()
    assert wait_for(lambda: steps_saved(copy) >= 2, process)  # an epoch
    trainers = workers_of(process)
    assert len(trainers) == (processes if processes > 1 else 0)
    process.send_signal(number)
    code, lines = refusal(process)
    assert code == 128 + number
    assert len(lines) == 1, lines
    assert "was stopped after its state was saved; run the same command again" in lines[0]
    assert steps_saved(copy) >= 2
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in trainers)
    assert not (copy / "run").exists()


def test_two_nodes_with_working_copies_of_their_own_train_the_same_network(whole, copy, tmp_path):
    port = free_port()
    other = tmp_path / "other"
    shutil.copytree(copy, other)
    processes = []
    for rank, folder in enumerate((copy, other)):
        command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(rank)]
        command += ["--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", str(port)]
        command += ["-m", "stages.imagenet.train", "--row", "all", "--index", "index", "--data", "labels/labels-1.0"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        processes.append(
            subprocess.Popen([*command, "--out", "run"], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        )
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert outputs(copy / "run") == outputs(whole / "run")
    assert not (other / "run").exists()


def refusal(process: StageProcess) -> tuple[int, list[str]]:
    """The exit code of the stage and the sentences of all processes, none of which printed a traceback."""
    code, said = process.wait(), process.communicate()[1]
    assert "Traceback" not in said
    return code, re.findall(r"^error: .*$", said, re.MULTILINE)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"processes": 3}, 2, "3 processes cannot share the 4 groups of a step"),
        ({"processes": 2, "batch_size": 64}, 2, "found 64, but there are only 16 training images"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_sentence(copy, changes, code, words):
    use(copy, **changes)
    found, lines = refusal(training())
    assert (found, len(lines)) == (code, 1), lines
    assert words in lines[0]


def test_processes_that_cannot_reach_each_other_say_so(copy, monkeypatch):
    use(copy, processes=2)
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "no_such_network")
    process = training()
    code, lines = refusal(process)
    assert (code, lines) == (1, ["error: the processes that train together lost each other, as they say above"])
    assert re.search(r"^process [01] lost another: .*no_such_network", process.communicate()[1], re.MULTILINE)


def test_labels_of_a_corruption_that_is_not_listed_are_not_made(copy):
    process = stage("corrupt", "--index", "index", "--name", "labels-1.5", "--out", "labels/other")
    assert process.wait() == 2
    assert "--name: found 'labels-1.5'; allowed: none, labels-1.0" in process.communicate()[1]


def test_labels_of_another_index_are_refused(copy):
    use(copy, processes=2)
    write_folder(copy / "images", {"train/n01/more.JPEG": noise(5)})
    assert stage("index", "--out", "index").wait() == 0
    code, lines = refusal(training())
    assert (code, len(lines)) == (1, 1), lines
    assert "holds the labels of another index" in lines[0]


def test_an_image_that_changes_during_the_training_ends_all_processes_with_its_name(copy):
    use(copy, processes=2)
    (copy / "images/train/n02/3.JPEG").write_bytes(noise(77))
    code, lines = refusal(training())
    assert code == 1
    assert len(lines) == 1
    assert "train/n02/3.JPEG" in lines[0]
    assert "has changed since it was indexed" in lines[0]
    assert not (copy / "run").exists()


def readers(process: StageProcess, processes: int) -> list[psutil.Process]:
    """The processes that read images for those that train."""
    trainers = [psutil.Process(process.pid)] if processes == 1 else workers_of(process)
    try:
        children = [(each, child) for each in trainers for child in each.children()]
        return [child for each, child in children if child.cmdline() == each.cmdline()]
    except psutil.Error:
        return []


@pytest.mark.parametrize(("what", "processes"), [("killed", 1), ("stopped", 1), ("stopped", 2)])
def test_what_reads_images_is_killed_or_stopped_in_an_evaluation(copy, what, processes):
    """The training's workers and those of the evaluation are there; Python waited for them for ever."""
    use(copy, processes=processes, workers=1, epochs=300)
    process = training()
    assert wait_for(lambda: len(readers(process, processes)) == 2 * processes, process)
    reading = readers(process, processes)
    if what == "killed":
        reading[0].kill()
    else:
        process.send_signal(signal.SIGTERM)
    process.wait(60)
    code, lines = refusal(process)
    assert code == (1 if what == "killed" else 128 + signal.SIGTERM)
    assert len(lines) == 1, lines
    assert ("execution.workers: a process that reads images failed" if what == "killed" else "was stopped") in lines[0]
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in reading)


def test_no_room_to_hand_a_batch_over_is_said(copy):
    """A step's eight images of 75 pixels are 135 kB. The training waited for them for ever."""
    mount = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=100k tmpfs /dev/shm && exec "$0" "$@"']
    try:
        subprocess.run([*mount, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root on Linux can make /dev/shm small")
    use(copy, workers=1)
    command = [*mount, sys.executable, "-m", "stages.imagenet.train", "--row", "all", "--index", "index"]
    command += ["--data", "labels/labels-1.0", "--out", "run"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert re.search(
        r"^error: execution.workers: .*shared memory.* where memory or /dev/shm is full", ended.stderr, re.M
    )
    assert "Traceback" not in ended.stderr


def test_curves_have_a_row_for_each_epoch_and_end_with_the_metrics(whole):
    curves, metrics = read_table(whole / "run/curves.csv"), read_json(whole / "run/metrics.json")
    assert curves["epoch"].tolist() == [1, 2, 3]
    assert (metrics["epochs"], metrics["steps"]) == (3, STEPS)
    assert metrics["parameters"] > 0
    assert curves["test_accuracy"].iloc[-1] == pytest.approx(metrics["test_accuracy"], abs=1e-6)
    assert metrics["best_test_accuracy"] == pytest.approx(curves["test_accuracy"].max(), abs=1e-6)
    assert 0 <= metrics["train_accuracy"] <= metrics["train_top5_accuracy"] <= 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_repeats_a_row_to_the_bit_and_learns_as_the_cpu_does(whole, copy):
    for number in (1, 2):
        use(copy, device="cuda", processes=1, workers=2)
        assert training(out=f"run_{number}").wait() == 0
        shutil.rmtree("checkpoints")
    assert outputs(copy / "run_1") == outputs(copy / "run_2")
    losses = [read_table(folder / "steps.csv")["loss"].iloc[0] for folder in (copy / "run_1", whole / "run")]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
