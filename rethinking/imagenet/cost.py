"""What a row of table 2 costs, from the rate at which this device trains its network."""

import time

import numpy as np
import torch

from rethinking.imagenet import processes
from rethinking.imagenet.config import Parameters, Row, Train
from rethinking.imagenet.network import network
from rethinking.imagenet.step import GroupStep

IMAGES_ON_A_CPU = 8  # of a group; a whole one would take minutes
FORWARD_SHARE = 1 / 3  # of a training step's arithmetic


def training_rate(parameters: Parameters, classes: int, steps: int = 3) -> float:
    """Images a second of so many steps of one group of noise, after a first one that is not counted."""
    place = processes.join(parameters.execution)
    size = parameters.train.group_size if place.device.type == "cuda" else IMAGES_ON_A_CPU
    recipe = parameters.train.model_copy(update={"batch_size": size, "group_size": size})
    model = network(parameters, "true_plain", classes).to(place.device)
    labels = torch.arange(size * (steps + 1), device=place.device) % classes
    step = GroupStep(model, recipe, Row(corruption="none", variant="plain"), labels, place)
    shape = (size, recipe.input_size, recipe.input_size, 3)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    step.run(pixels, torch.arange(size), 1, 0)
    _finish(place.device)
    started = time.perf_counter()
    for position in range(1, steps + 1):
        step.run(pixels, torch.arange(size), 1, position)
    _finish(place.device)
    return steps * size / (time.perf_counter() - started)


def row_seconds(train: Train, train_images: int, test_images: int, rate: float) -> float:
    """How long a row takes at so many images a second, its evaluations included."""
    evaluations = -(-train.epochs // train.evaluate_every)
    predicted = evaluations * (min(train.evaluated_images, train_images) + test_images) + 2 * train_images
    return (train.epochs * train_images + FORWARD_SHARE * predicted) / rate


def _finish(device: torch.device) -> None:
    """Wait for what the device still has to do."""
    if device.type == "cuda":
        torch.cuda.synchronize()
