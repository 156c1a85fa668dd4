"""What JPEG does to the error of the Gaussian kernel on pixels (paper, section 5): the same images, compressed again.

`dvc repro theory/dvc.yaml:fetch@cifar10; python -m benchmarks.jpeg` prints a row for each quality. On the official
CIFAR-10 the row of about 30 dB is what a copy of that quality would give.
"""

import argparse
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from rethinking.core.arrays import ImageData, open_dataset
from rethinking.theory.common.config import load_theory
from rethinking.theory.common.device import exact_device
from rethinking.theory.kernels.labels import interpolate_labels


def main() -> None:
    """Interpolate the true labels of as many images at every quality."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", type=Path, default=Path("theory/cifar10.yaml"))
    parser.add_argument("--raw", type=Path, default=Path("data/theory/cifar10"))
    parser.add_argument("--train-size", type=int, default=20_000)
    parser.add_argument("--qualities", type=int, nargs="+", default=[95, 75, 50, 25, 10])
    arguments = parser.parse_args()
    theory, data = load_theory(arguments.params), open_dataset(arguments.raw)
    few = np.random.default_rng(0).permutation(len(data.train_images))[: arguments.train_size]
    data = replace(data, train_images=data.train_images[few], train_labels=data.train_labels[few])
    device = exact_device(theory.device)
    print("| JPEG quality | PSNR | bandwidth | test error |\n| --- | ---: | ---: | ---: |")
    for quality in (None, *arguments.qualities):
        again = data if quality is None else compressed(data, quality)
        true_labels = interpolate_labels(theory.kernel["pixels"], again, theory.seed, device)[0][0]
        decibels = "" if quality is None else f"{psnr(data.train_images, again.train_images):.1f} dB"
        name = "as they are" if quality is None else quality
        print(f"| {name} | {decibels} | {true_labels['bandwidth']} | {true_labels['test_error']:.2%} |", flush=True)


def compressed(data: ImageData, quality: int) -> ImageData:
    """The images after a round through JPEG, as Pillow writes it."""

    def again(image: np.ndarray) -> np.ndarray:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer))

    train, test = (np.stack([again(image) for image in images]) for images in (data.train_images, data.test_images))
    return replace(data, train_images=train, test_images=test)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all pixels."""
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / error))


if __name__ == "__main__":
    main()
