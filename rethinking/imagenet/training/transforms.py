"""From an image of any size to a network's input, as TensorFlow's Inception package did it.

Every random number of an image follows from (seed, epoch, image number), so that it is the same in every process, for
any number of workers and after any restart. Pillow's resizing averages over the pixels that it leaves out, which the
package's did not, and hue and saturation have eight bits.
"""

import numpy as np
from PIL import Image
from torch import Tensor

from rethinking.core.streams import Stream, stream_seed

CENTRE = 0.875  # share of each side that the centre crop keeps
AREA = (0.05, 1.0)  # share of the image that a random crop keeps
ASPECT = (0.75, 1.33)  # width over height of a random crop
ATTEMPTS = 100
BRIGHTNESS, SATURATION, HUE, CONTRAST = 32 / 255, (0.5, 1.5), 0.2, (0.5, 1.5)
RESIZING = (
    Image.Resampling.BILINEAR,
    Image.Resampling.NEAREST,
    Image.Resampling.BICUBIC,
    Image.Resampling.BOX,
)

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


def draws(seed: int, epoch: int, number: int) -> np.random.Generator:
    """The random numbers of an image in an epoch."""
    return np.random.Generator(
        np.random.Philox(key=stream_seed(seed, Stream.AUGMENTATION, epoch), counter=[0, number, 0, 0])
    )


def centre_crop(image: Image.Image, size: int) -> np.ndarray:
    """The middle of an image, resized whatever its aspect: (size, size, 3) uint8."""
    width, height = image.size
    left, top = (1 - CENTRE) / 2 * width, (1 - CENTRE) / 2 * height
    return _resized(image, (left, top, width - left, height - top), size, Image.Resampling.BILINEAR)


def augmented(image: Image.Image, size: int, random: np.random.Generator) -> np.ndarray:
    """A random crop, resized in one of four ways, perhaps flipped, its colours changed: (size, size, 3) uint8."""
    box, resizing = random_box(*image.size, random), RESIZING[random.integers(len(RESIZING))]
    pixels = _resized(image, box, size, resizing)
    if random.random() < 0.5:
        pixels = pixels[:, ::-1]
    return jittered(pixels, random)


def random_box(width: int, height: int, random: np.random.Generator) -> Box:
    """A part of the image of random area and aspect; the whole image where none is found that fits."""
    for _ in range(ATTEMPTS):
        aspect, area = random.uniform(*ASPECT), random.uniform(*AREA) * width * height
        box_width, box_height = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if 0 < box_width <= width and 0 < box_height <= height:
            left, top = random.integers(width - box_width + 1), random.integers(height - box_height + 1)
            return left, top, left + box_width, top + box_height
    return 0, 0, width, height


def jittered(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Pixels (H, W, 3) uint8 with random brightness, saturation, hue and contrast, in one of two orders."""
    brightness, hue = random.uniform(-BRIGHTNESS, BRIGHTNESS), random.uniform(-HUE, HUE)
    saturation, contrast = random.uniform(*SATURATION), random.uniform(*CONTRAST)
    early = random.random() < 0.5
    image = pixels + np.float32(255 * brightness)
    if early:
        image = _contrasted(image, contrast)
    image = _recoloured(_bytes(image), hue, saturation).astype(np.float32)
    if not early:
        image = _contrasted(image, contrast)
    return _bytes(image)


def _recoloured(pixels: np.ndarray, hue: float, saturation: float) -> np.ndarray:
    """Pixels (H, W, 3) uint8 with their hue turned by a share of the circle and their saturation scaled."""
    found = np.asarray(Image.fromarray(pixels).convert("HSV")).astype(np.float32)
    found[..., 0] = (found[..., 0] + round(256 * hue)) % 256
    found[..., 1] *= saturation
    return np.asarray(Image.fromarray(_bytes(found), "HSV").convert("RGB"))


def _contrasted(image: np.ndarray, factor: float) -> np.ndarray:
    """(H, W, C) float32 with each channel's distance from its mean scaled."""
    mean = image.mean(axis=(0, 1), keepdims=True)
    return (image - mean) * np.float32(factor) + mean


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(image.clip(0, 255)).astype(np.uint8)


def _resized(image: Image.Image, box: Box, size: int, resizing: Image.Resampling) -> np.ndarray:
    return np.asarray(image.resize((size, size), resizing, box=box))


def network_input(pixels: Tensor) -> Tensor:
    """Pixels (N, H, W, C) uint8 as the network sees them: (N, C, H, W) float32 from -1 to 1, channels last."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
