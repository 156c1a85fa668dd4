"""What ImageNet costs here: reading images on one core, and training Inception V3 on this device.

`python -m benchmarks.imagenet SOURCE` takes images in their original sizes, as a folder or tar of train/<class>/<image>
and test/<class>/<image>, and multiplies: one row of table 2 is 100 epochs of 1,281,167 images, each with an evaluation
of 100,000.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from rethinking.core.cores import available_cores
from rethinking.imagenet import config, processes
from rethinking.imagenet.config import Dataset, Row
from rethinking.imagenet.index import open_index
from rethinking.imagenet.network import network
from rethinking.imagenet.scan import scan
from rethinking.imagenet.step import GroupStep
from rethinking.imagenet.transforms import augmented, centre_crop, draws
from rethinking.parallel.hardware import environment

IMAGES, EVALUATED, EPOCHS = 1_281_167, 100_000, 100
FORWARD_SHARE = 1 / 3  # of a training step's arithmetic


def main() -> None:
    """Print a table of rates and what a row would take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--steps", type=int, default=3, help="steps of one group that are timed (default: 3)")
    parser.add_argument("--group", type=int, help="images of a group; default: group_size of imagenet/params.yaml")
    arguments = parser.parse_args()
    parameters = config.load(Path("imagenet/params.yaml"), Path("imagenet/imagenet.yaml"))
    train = parameters.train
    with tempfile.TemporaryDirectory() as folder:
        dataset = Dataset(source=str(arguments.source))
        index_seconds = seconds(lambda: scan(dataset, Path(folder)))
        index = open_index(Path(folder), dataset.path)
    images = [index.train.image(number) for number in range(min(len(index.train), 100))]
    numbers = range(len(images))
    decoding = seconds(lambda: [index.train.image(number) for number in numbers]) / len(images)
    cropping = seconds(lambda: [centre_crop(image, train.input_size) for image in images]) / len(images)
    augmenting = seconds(lambda: [augmented(images[n], train.input_size, draws(0, 1, n)) for n in numbers]) / len(
        images
    )
    size = arguments.group or train.group_size
    recipe = train.model_copy(update={"batch_size": size, "group_size": size})
    rate = training_rate(parameters.model_copy(update={"train": recipe}), arguments.steps)
    found = environment()
    print(f"{found['device']}, {available_cores()} cores, {', '.join(found['instructions'])}; {train.precision}")
    print("| what | images/s |\n| --- | ---: |")
    everything = (len(index.train) + len(index.test)) / index_seconds
    print(f"| index, all cores: read, hash, decode | {everything:,.0f} |")
    print(f"| one core: decode and centre crop | {1 / (decoding + cropping):,.0f} |")
    print(f"| one core: decode and augment | {1 / (decoding + augmenting):,.0f} |")
    print(f"| train Inception V3 at {train.input_size} pixels, groups of {size} | {rate:,.1f} |")
    row = EPOCHS * (IMAGES + FORWARD_SHARE * EVALUATED) / rate / 86400
    print(f"\nOne row of table 2: {row:,.1f} days here, and {rate * (decoding + cropping):,.2f} cores to read for it.")


def training_rate(parameters: config.Parameters, steps: int) -> float:
    """Images a second of steps of one group, the first left out."""
    train, place = parameters.train, processes.join(parameters.train)
    model = network(parameters, "true_plain", 1000).to(place.device)
    labels = torch.arange(train.batch_size * (steps + 1), device=place.device) % 1000
    step = GroupStep(model, train, Row(corruption="none", variant="plain"), labels, place)
    shape = (train.batch_size, train.input_size, train.input_size, 3)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))

    def run(position: int) -> None:
        step.run(pixels, torch.arange(train.batch_size), 1, position)

    run(0)

    def run_all() -> None:
        for number in range(steps):
            run(1 + number)

    return steps * train.batch_size / seconds(run_all)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, with what it left for the GPU to do."""
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
