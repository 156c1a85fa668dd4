"""Random crop, flip and colour per image and per step, on the device (paper, section 2.2 and table 4).

The paper names the operations, not their strengths. The crop is uniform over all positions; colour follows the
distortions of TensorFlow's Inception: brightness +-32/255, saturation and contrast x0.5 to 1.5, hue +-0.2 turns.
"""

import math

import torch
from torch import Generator, Tensor

from rethinking.training.preprocessing import standardise

# The YIQ colour space, in which hue is an angle in the plane of the last two axes.
RGB_TO_YIQ = torch.tensor(((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)))


class Augmentation:
    """Turn raw images (B, H, W, C) into network inputs (B, size, size, C) float32, each with its own draws.

    `full` adds the flip and, on colour images, colour to the random crop. Images and generator are on `device`.
    """

    def __init__(self, size: int, full: bool, device: torch.device):
        self.size = size
        self.full = full
        self.to_yiq = RGB_TO_YIQ.to(device)
        self.to_rgb = torch.linalg.inv(RGB_TO_YIQ).to(device)

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        images = self._crop(images, generator).float()
        if self.full and images.shape[-1] == 3:
            images = self._colour(images, generator)
        return standardise(images)

    def _crop(self, images: Tensor, generator: Generator) -> Tensor:
        count, height, width, _ = images.shape
        steps = torch.arange(self.size, device=images.device)
        rows = _offsets(height - self.size + 1, count, generator) + steps
        columns = _offsets(width - self.size + 1, count, generator) + steps
        if self.full:
            flip = _uniform(count, generator, 0, 1) < 0.5
            columns = torch.where(flip[:, None], columns.flip(1), columns)
        image = torch.arange(count, device=images.device)
        return images[image[:, None, None], rows[:, :, None], columns[:, None, :]]

    def _colour(self, images: Tensor, generator: Generator) -> Tensor:
        """Distort (B, H, W, 3) float pixels in 0 to 255."""
        count = len(images)
        brightness = _uniform(count, generator, -32, 32)
        saturation = _uniform(count, generator, 0.5, 1.5)
        angle = _uniform(count, generator, -0.2 * 2 * math.pi, 0.2 * 2 * math.pi)
        contrast = _uniform(count, generator, 0.5, 1.5)
        # A 3x3 matrix for each image: to YIQ, turn and stretch the colour plane, and back.
        zero, one = torch.zeros_like(angle), torch.ones_like(angle)
        turn = torch.stack(
            [
                torch.stack([one, zero, zero], dim=1),
                torch.stack([zero, saturation * angle.cos(), -saturation * angle.sin()], dim=1),
                torch.stack([zero, saturation * angle.sin(), saturation * angle.cos()], dim=1),
            ],
            dim=1,
        )
        matrix = self.to_rgb @ turn @ self.to_yiq
        shifted = (images + brightness[:, None, None, None]).flatten(1, 2)
        distorted = (shifted @ matrix.transpose(1, 2)).view_as(images)
        mean = distorted.mean(dim=(1, 2), keepdim=True)
        return ((distorted - mean) * contrast[:, None, None, None] + mean).clamp(0, 255)


def _uniform(count: int, generator: Generator, low: float, high: float) -> Tensor:
    return torch.rand(count, generator=generator, device=generator.device) * (high - low) + low


def _offsets(choices: int, count: int, generator: Generator) -> Tensor:
    """(count, 1) int64 in [0, choices)."""
    return torch.randint(0, choices, (count, 1), generator=generator, device=generator.device)
