"""What ImageNet costs here: reading images on one core, training Inception V3, and how long the training waits.

`python -m benchmarks.imagenet SOURCE` takes images in their original sizes, as a folder or tar of train/<class>/<image>
and test/<class>/<image>.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from rethinking.core.cores import available_cores
from rethinking.imagenet.common import config
from rethinking.imagenet.common.config import Dataset, Parameters, Row
from rethinking.imagenet.common.index import Index, open_index
from rethinking.imagenet.scan import scan
from rethinking.imagenet.training import processes
from rethinking.imagenet.training.loader import Images, TrainingOrder, batches, reading
from rethinking.imagenet.training.network import network
from rethinking.imagenet.training.step import GroupStep
from rethinking.imagenet.training.transforms import augmented, centre_crop, draws
from rethinking.parallel.hardware import environment

MOST_IMAGES = 100  # that are read for a rate
IMAGES_ON_A_CPU = 8  # of a group that is timed; a whole one would take minutes
PLAIN = Row(corruption="none", variant="plain")
# What eight H200 would train in a second if they were eight times as fast as one (docs/cost.md).
EIGHT_GPUS = 15_000


def main() -> None:
    """Print a table of rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--group", type=int, default=16, help="images of a step that is timed (default: 16)")
    parser.add_argument("--workers", type=int, default=1, help="processes that read for it (default: 1)")
    arguments = parser.parse_args()
    parameters = config.load(Path("imagenet/params.yaml"), Path("imagenet/imagenet.yaml"))
    size, dataset = parameters.train.input_size, Dataset(source=str(arguments.source))
    with tempfile.TemporaryDirectory() as folder:
        indexing = seconds(lambda: scan(dataset, Path(folder)))
        index = open_index(Path(folder), dataset.path)
        everything = len(index.train) + len(index.test)
        numbers = range(min(len(index.train), MOST_IMAGES))
        images = [index.train.image(number) for number in numbers]
        decoding = seconds(lambda: [index.train.image(number) for number in numbers]) / len(images)
        cropping = seconds(lambda: [centre_crop(image, size) for image in images]) / len(images)
        augmenting = seconds(lambda: [augmented(images[n], size, draws(0, 1, n)) for n in numbers]) / len(images)
        waiting = waiting_share(parameters, index, arguments.group, arguments.workers)
    found = environment()
    print(f"{found['device']}, {available_cores()} cores; {parameters.train.precision}\n")
    print("| what | |\n| --- | ---: |")
    print(f"| index on all cores: read, hash, decode | {everything / indexing:,.0f} images/s |")
    print(f"| one core: read and decode | {1 / decoding:,.0f} images/s |")
    print(f"| the same, and the centre crop | {1 / (decoding + cropping):,.0f} images/s |")
    print(f"| the same, and the augmentation | {1 / (decoding + augmenting):,.0f} images/s |")
    print(f"| cores to read {EIGHT_GPUS:,} images/s, cropped | {EIGHT_GPUS * (decoding + cropping):,.0f} |")
    print(f"| cores to read {EIGHT_GPUS:,} images/s, augmented | {EIGHT_GPUS * (decoding + augmenting):,.0f} |")
    print(f"| train Inception V3 at {size} pixels | {training_rate(parameters, 1000):,.1f} images/s |")
    print(f"| share of the training spent waiting for images, {arguments.workers} workers | {waiting:.1%} |")


def waiting_share(parameters: Parameters, index: Index, group: int, workers: int) -> float:
    """The share of an epoch's time, its first step left out, in which the training waits for its next batch."""
    recipe = parameters.train.model_copy(update={"batch_size": group, "group_size": group, "epochs": 1})
    place = processes.join(parameters.execution)
    model = network(recipe, PLAIN, 1000).to(place.device)
    step = GroupStep(model, recipe, PLAIN, torch.tensor(index.train.labels, device=place.device), place)
    order = TrainingOrder(len(index.train), group, 0, 1, (1, 0), step.share)
    waited = trained = 0.0
    ready = time.perf_counter()
    with reading():
        for position, batch in enumerate(batches(Images(index.train, recipe.input_size), order, workers)):
            came = time.perf_counter()
            step.run(*batch, 1, position)
            step.losses[position].sum().item()  # done, on any device
            done = time.perf_counter()
            if position:
                waited, trained = waited + came - ready, trained + done - came
            ready = done
    return waited / (waited + trained)


def training_rate(parameters: Parameters, classes: int, steps: int = 3) -> float:
    """Images a second of so many steps of one group of noise, after a first one that is not counted."""
    place = processes.join(parameters.execution)
    size = parameters.train.group_size if place.device.type == "cuda" else IMAGES_ON_A_CPU
    recipe = parameters.train.model_copy(update={"batch_size": size, "group_size": size})
    model = network(recipe, PLAIN, classes).to(place.device)
    labels = torch.arange(size * (steps + 1), device=place.device) % classes
    step = GroupStep(model, recipe, PLAIN, labels, place)
    shape = (size, recipe.input_size, recipe.input_size, 3)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))

    def run(positions: range) -> None:
        for position in positions:
            step.run(pixels, torch.arange(size), 1, position)
        step.losses[positions[-1]].item()  # done, on any device

    run(range(1))
    return steps * size / seconds(lambda: run(range(1, steps + 1)))


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
