"""What the pixel corruptions share: images as pixels, exact moments in one pass, and the audit's findings."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from rethinking.core.arrays import ImageData
from rethinking.core.crop import centre_crop

# A moment is wrong beyond so many standard deviations: by chance once in 1e9 for one number, far below 1e-3 for all.
MAX_DEVIATION = 6.0
# Images at a time: temporaries stay in the cache.
BLOCK = 512

Pixels = dict[str, np.ndarray]


def cropped_pixels(data: ImageData, input_size: int) -> Pixels:
    """The images of both splits as (N, pixels, C), centre-cropped BEFORE anything moves.

    Cropping afterwards would lose pixels: 240 of 1,024 from 32x32 to 28x28.
    """
    splits = {"train_images": data.train_images, "test_images": data.test_images}
    return {name: as_pixels(centre_crop(images, input_size)) for name, images in splits.items()}


def as_pixels(images: np.ndarray) -> np.ndarray:
    """(N, H, W, C) as (N, H*W, C)."""
    return np.ascontiguousarray(images).reshape(len(images), -1, images.shape[-1])


def as_images(pixels: np.ndarray) -> np.ndarray:
    """(N, H*W, C) as (N, H, W, C), square."""
    side = round(pixels.shape[1] ** 0.5)
    return pixels.reshape(len(pixels), side, side, -1)


def blocks(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """Views of BLOCK consecutive images each."""
    return (pixels[start : start + BLOCK] for start in range(0, len(pixels), BLOCK))


@dataclass(frozen=True)
class Moments:
    """Sums of pixel values, exact for uint8: per image (N, C), squared per image (N, C), per position (pixels, C).

    `image_products` (N,) are the products of each pixel's neighbouring channels: they change when channels move apart.
    """

    image_sums: np.ndarray
    image_squares: np.ndarray
    image_products: np.ndarray
    position_sums: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean of each channel over images and positions, (C,)."""
        return self.position_sums.sum(axis=0) / (len(self.image_sums) * len(self.position_sums))

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of each channel over images and positions, (C,)."""
        squares = self.image_squares.sum(axis=0) / (len(self.image_sums) * len(self.position_sums))
        return np.sqrt(np.maximum(squares - self.mean**2, 0))

    def keeps_pixels_of(self, other: "Moments") -> bool:
        """Whether every image has the sums and squares of the other's, as it must if pixels only moved within it."""
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("image_sums", "image_squares", "image_products")
        )


def measure(pixels: np.ndarray) -> Moments:
    """The moments of (N, pixels, C) in one pass. Products with a 0/1 matrix in float64: exact for uint8, and quick."""
    _, size, channels = pixels.shape
    per_channel = np.tile(np.eye(channels), (size, 1))

    def measure_block(block: np.ndarray) -> tuple[np.ndarray, ...]:
        values = block.reshape(len(block), -1).astype(np.float32).astype(np.float64)
        sums, positions = values @ per_channel, values.sum(axis=0)
        by_channel = np.moveaxis(values.reshape(block.shape), 2, 0)
        products = np.einsum("cnp,cnp->n", by_channel[:-1], by_channel[1:])
        return sums, np.square(values, out=values) @ per_channel, products, positions

    with ThreadPoolExecutor() as pool:
        sums, squares, products, positions = zip(*pool.map(measure_block, blocks(pixels)), strict=True)
    position_sums = np.sum(positions, axis=0).reshape(size, channels)
    return Moments(np.concatenate(sums), np.concatenate(squares), np.concatenate(products), position_sums)


def measure_all(pixels: Pixels) -> dict[str, Moments]:
    """The moments of both splits."""
    return {name: measure(values) for name, values in pixels.items()}


def share_changed(original: Pixels, corrupted: Pixels) -> float:
    """The share of training images that differ from their original."""
    pairs = zip(blocks(original["train_images"]), blocks(corrupted["train_images"]), strict=True)
    differing = sum(int((old != new).reshape(len(old), -1).any(axis=1).sum()) for old, new in pairs)
    return differing / len(original["train_images"])


def findings(changed: float, before: dict[str, Moments], after: dict[str, Moments], checks: dict[str, bool]) -> dict:
    """The audit of a pixel corruption: 99% of the images must differ from their originals, and every check hold."""
    checks = {"images_changed": changed > 0.99, **checks}
    train_before, train_after = before["train_images"], after["train_images"]
    return {
        "expected_changed": 1.0,
        "changed": changed,
        "interval": [0.99, 1.0],
        "original_mean": _rounded(train_before.mean),
        "original_std": _rounded(train_before.std),
        "mean": _rounded(train_after.mean),
        "std": _rounded(train_after.std),
        "checks": checks,
        "ok": all(checks.values()),
    }


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in values]
