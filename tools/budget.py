"""What a grid will cost before it runs: its runs, their floating-point operations, and the time on this machine.

The time is an estimate from a second of training steps and one of evaluations of each architecture, timed here and now.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import limits
from benchmarks.imagenet import training_rate
from rethinking.core import config
from rethinking.core.arguments import path_parser
from rethinking.core.config import Parameters
from rethinking.core.errors import UsageError, run_stage
from rethinking.core.registry import load
from rethinking.core.run_name import RunName
from rethinking.imagenet.common import config as imagenet
from rethinking.models.parts.network import channels_last, seeded
from rethinking.paper.names import DATASETS
from rethinking.training.device import select_device
from rethinking.training.evaluation import predict
from rethinking.training.preprocessing import network_inputs
from rethinking.training.problem import Problem
from rethinking.training.recipe import recipe_of
from rethinking.training.step import TrainingStep

TIMED_BATCHES = 4  # in the evaluation
SECONDS = 1.0  # of each measurement
FORWARD_SHARE = 1 / 3  # of the arithmetic of a training step


def main() -> None:
    """Print a line per architecture, a total per data set and one of all; ask nothing, write nothing."""
    parser = path_parser(__doc__)
    parser.add_argument("--params", type=Path, nargs="+", default=[Path("params.yaml"), Path("paper/params.yaml")])
    parser.add_argument(
        "--sets",
        nargs="+",
        required=True,
        help="a data set's own parameters and the folder of its runs, as FILE:FOLDER",
    )
    parser.add_argument("--imagenet", action="store_true", help="also say what table 2 costs")
    arguments = parser.parse_args()
    count, operations, seconds = 0, 0.0, 0.0
    for each in arguments.sets:
        file, colon, runs = each.rpartition(":")
        if not (file and colon and runs):
            raise UsageError(f"--sets: found '{each}'; expected FILE:FOLDER, such as paper/mnist.yaml:runs/mnist")
        parameters = config.load(*arguments.params, Path(file))
        waiting = [run for run in parameters.planned_runs() if not (Path(runs) / run.text).exists()]
        of_set = print_set(parameters, waiting)
        count, operations, seconds = count + len(waiting), operations + of_set[0], seconds + of_set[1]
    print(f"All: {count} runs, {operations / 1e15:,.2f} PFLOP, {seconds / 3600:,.2f} hours one after another.")
    print(
        "Not in it: the theory's kernels, what several runs at once gain or lose, evaluations that only a fit brings."
    )
    if arguments.imagenet:
        print_imagenet()


def print_imagenet() -> None:
    """Print what the rows of table 2 cost that have not run, here and, on a GPU, on eight of its kind."""
    parameters = imagenet.load(Path("imagenet/params.yaml"), Path("imagenet/imagenet.yaml"))
    rows, whole = [row for row in parameters.rows if not Path("runs/imagenet", row).exists()], DATASETS["imagenet"]
    rate = training_rate(parameters, whole.classes)
    days = row_seconds(parameters.train, whole.train_size, whole.test_size, rate) / 86400
    on_gpu = parameters.execution.device != "cpu" and torch.cuda.is_available()
    eight = f", {len(rows) * days / 8:,.1f} on eight such GPUs" if on_gpu else ""
    print(f"ImageNet: {len(rows)} rows to do, {rate:,.1f} images/s, {len(rows) * days:,.1f} days{eight}.")


def row_seconds(train: imagenet.Train, train_images: int, test_images: int, rate: float) -> float:
    """How long a row of table 2 takes at so many images a second, its evaluations included."""
    evaluations = -(-train.epochs // train.evaluate_every)
    predicted = evaluations * (min(train.evaluated_images, train_images) + test_images) + 2 * train_images
    return (train.epochs * train_images + FORWARD_SHARE * predicted) / rate


def print_set(parameters: Parameters, waiting: list[RunName]) -> tuple[float, float]:
    """Print the cost of the runs that wait on one data set; return their operations and seconds."""
    device = select_device(parameters.train.device, parameters.train.deterministic)
    done = len(parameters.planned_runs()) - len(waiting)
    print(f"{len(waiting)} runs to do on {parameters.dataset.name}, {done} are there; device {device.type}")
    print(f"{'architecture':<18} {'runs':>5} {'PFLOP':>9} {'images/s':>10} {'hours':>8}")
    total_operations, total_seconds = 0.0, 0.0
    for arch in dict.fromkeys(run.arch for run in waiting):
        runs = [run for run in waiting if run.arch == arch]
        operations, seconds, rate = cost(parameters, arch, runs, device)
        total_operations, total_seconds = total_operations + operations, total_seconds + seconds
        print(f"{arch:<18} {len(runs):>5} {operations / 1e15:>9.2f} {rate:>10,.0f} {seconds / 3600:>8.2f}")
    print(f"{'total':<18} {len(waiting):>5} {total_operations / 1e15:>9.2f} {'':>10} {total_seconds / 3600:>8.2f}\n")
    return total_operations, total_seconds


def cost(parameters: Parameters, arch: str, runs: list[RunName], device: torch.device) -> tuple[float, float, float]:
    """Floating-point operations and seconds of these runs, and the training rate in images/s on `device`."""
    size = parameters.input_size(arch)
    whole = DATASETS.get(parameters.dataset.name, DATASETS["cifar10"])
    train_images = parameters.dataset.train_size or whole.train_size
    test_images = parameters.dataset.test_size or whole.test_size
    shape = (whole.channels, size, size)
    model = channels_last(seeded(load("models", arch, "arch").build, shape, whole.classes, 0.0, 0))
    forward, both = limits.flops_per_image(model, shape)
    recipe = recipe_of(parameters, arch)
    images = recipe.batch_size * TIMED_BATCHES
    problem = random_problem(images, whole.channels, size, device, recipe.precision)
    step = TrainingStep(model.to(device).train(), problem, recipe)

    def train() -> None:
        step.begin_epoch(1)
        step.run(0)

    rate = recipe.batch_size / limits.seconds(train, device, SECONDS)
    evaluate = partial(predict, step.compute_model, problem.train_inputs, problem.train_labels, recipe.precision)
    evaluation_rate = images / limits.seconds(evaluate, device, SECONDS)

    recipes = [recipe_of(parameters.of_run(run), arch) for run in runs]
    trained = train_images * sum(each.epochs for each in recipes)
    evaluated = (train_images + test_images) * sum(-(-each.epochs // each.evaluate_every) for each in recipes)
    operations = trained * both + evaluated * forward
    seconds = trained / rate + evaluated / evaluation_rate
    return operations, seconds, rate


def random_problem(images: int, channels: int, size: int, device: torch.device, precision: str) -> Problem:
    """Noise images and labels, as speed does not depend on what they show."""
    pixels = np.random.default_rng(0).integers(0, 256, (images, size, size, channels), dtype=np.uint8)
    inputs = network_inputs(pixels, size, device, precision)
    labels = torch.randint(0, 10, (images,), device=device)
    return Problem(inputs, labels, labels, inputs, labels)


if __name__ == "__main__":
    run_stage(main)
