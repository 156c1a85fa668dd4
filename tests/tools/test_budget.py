"""The budget counts the runs that wait and their operations; its times are estimates and are not checked."""

import re

import pytest
import torch

from rethinking.core import config
from tests.conftest import ROOT
from tools.budget import cost

GRID = [ROOT / name for name in ("params.yaml", "paper/params.yaml")]


def test_the_operations_of_an_mlp_are_those_of_its_matrix_products():
    parameters = config.load(*GRID, ROOT / "paper/cifar10.yaml")
    runs = [run for run in parameters.planned_runs() if run.arch == "mlp_1x512"][:2]
    operations, seconds, rate = cost(parameters, "mlp_1x512", runs, torch.device("cpu"))
    products = [28 * 28 * 3 * 512, 512 * 10]
    forward = 2 * sum(products)
    training = 3 * forward - 2 * products[0]  # nothing needs the gradient of the images
    assert operations == 2 * 64 * (50_000 * training + 60_000 * forward)
    assert seconds > 0
    assert rate > 0


def test_runs_that_are_there_are_not_counted_and_all_sets_are_added_up(tmp_path, run_stage):
    for name in ("params.yaml", "paper/params.yaml", "paper/mnist.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "runs/mnist/mlp_1x512-none-plain-0").mkdir(parents=True)
    done = run_stage("tools.budget", "--sets", "paper/mnist.yaml:runs/mnist", "paper/mnist.yaml:runs/elsewhere")
    assert done.returncode == 0, done.stderr
    assert "1 runs to do on mnist, 1 are there" in done.stdout
    assert "2 runs to do on mnist, 0 are there" in done.stdout
    count, operations = re.search(r"^All: (\d) runs, ([\d.]+) PFLOP, [\d.]+ hours", done.stdout, re.MULTILINE).groups()
    parts = re.findall(r"^total +\d +([\d.]+) ", done.stdout, re.MULTILINE)
    assert int(count) == 3
    assert float(operations) == pytest.approx(sum(map(float, parts)), abs=0.02)
    assert float(operations) > max(map(float, parts)) > 0


def test_the_rows_of_imagenet_that_wait_are_counted_and_their_evaluations_too(tmp_path, run_stage):
    for name in ("params.yaml", "paper/params.yaml", "paper/mnist.yaml", "imagenet/params.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "imagenet/imagenet.yaml").write_text(
        "dataset: {source: nowhere}\ntrain: {width: 0.1, input_size: 75}\nexecution: {device: cpu}\n"
    )
    (tmp_path / "runs/imagenet/random_plain").mkdir(parents=True)
    done = run_stage("tools.budget", "--imagenet", "--sets", "paper/mnist.yaml:runs/mnist")
    assert done.returncode == 0, done.stderr
    said = re.search(r"^ImageNet: 6 rows to do, ([\d,.]+) images/s, ([\d,.]+) days", done.stdout, re.MULTILINE)
    assert "GPUs" not in done.stdout
    rate, days = (float(number.replace(",", "")) for number in said.groups())
    # A hundred epochs, and evaluations at a third of the cost: a hundred of 50,000 training and 50,000 test images,
    # and two of all training images at the end.
    images = 100 * 1_281_167 + (100 * 100_000 + 2 * 1_281_167) / 3
    assert days == pytest.approx(6 * images / rate / 86400, rel=0.01, abs=0.06)


def test_a_set_without_its_folder_is_refused(run_stage):
    done = run_stage("tools.budget", "--params", ROOT / "params.yaml", "--sets", "paper/mnist.yaml")
    expected = "error: --sets: found 'paper/mnist.yaml'; expected FILE:FOLDER, such as paper/mnist.yaml:runs/mnist\n"
    assert (done.returncode, done.stderr) == (2, expected)
