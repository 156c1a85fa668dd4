"""Stage draw_digits: scikit-learn's digits as JPEG files of several sizes, where ImageNet is not at hand."""

import numpy as np
from PIL import Image

from rethinking.core.arguments import path_parser
from rethinking.core.errors import run_stage
from rethinking.core.files import new_folder
from rethinking.sources import digits

SIZES = {"train": 100, "test": 50}
SIDES = (80, 96, 112)  # pixels; no two neighbours are alike, and every fourth image is grey


def main() -> None:
    """Write train/<digit>/<number>.jpg and test/<digit>/<number>.jpg."""
    arguments = path_parser(__doc__, "out").parse_args()
    raw = digits.read("official", arguments.out).subset(SIZES["train"], SIZES["test"], 0)
    with new_folder(arguments.out) as folder:
        for split, images, labels in (
            ("train", raw.train_images, raw.train_labels),
            ("test", raw.test_images, raw.test_labels),
        ):
            for number, (pixels, label) in enumerate(zip(images, labels, strict=True)):
                path = folder / split / raw.class_names[label] / f"{number:04d}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                drawn(pixels, number).save(path, quality=95)


def drawn(pixels: np.ndarray, number: int) -> Image.Image:
    """An image (H, W, C) uint8 enlarged to two of the sides."""
    size = SIDES[number % 3], SIDES[number % 2]
    image = Image.fromarray(pixels.squeeze()).resize(size, Image.Resampling.BICUBIC)
    return image.convert("L") if number % 4 == 0 else image.convert("RGB")


if __name__ == "__main__":
    run_stage(main)
