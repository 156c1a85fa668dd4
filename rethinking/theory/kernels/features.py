"""Features in front of the kernel (paper, section 5): Gabor wavelets, and convolutions with random patches.

The paper does not specify either. The Gabor bank is ours; the random-patch features follow KeystoneML's CIFAR-10
pipeline (Coates and Ng's patches): normalised and whitened patches as filters, a two-sided rectifier, sum pooling,
standardised features. They are computed a block of filters at a time, as 8 features for each of 32,000 filters do not
fit in memory.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rethinking.core.errors import DataError
from rethinking.theory.common import config

BLOCK = 500  # images whose Gabor features are computed at once
# Responses to random patches computed at once: 8 MB, which a CPU's cache holds, or 512 MB, which keeps a GPU busy.
RESPONSES_CPU, RESPONSES_GPU = 2**21, 2**27
# Added to a patch's variance, against flat patches: 10 on the scale of 0 to 255.
NOISE = 10 / 255**2


def channels_first(images: np.ndarray, device: torch.device) -> Tensor:
    """Images (N, H, W, C) uint8 as (N, C, H, W) float32 with pixels in [0, 1]."""
    return torch.tensor(images, device=device).permute(0, 3, 1, 2).float() / 255


class GaborBank(config.Gabor):
    """The modulus of Gabor wavelets, averaged over windows of `pool` pixels that overlap by half."""

    def features(self, images: np.ndarray, device: torch.device) -> Tensor:
        """Images (N, H, W, C) uint8 to features (N, d) float32 of length one, from their grey values."""
        blocks = [images[start : start + BLOCK] for start in range(0, len(images), BLOCK)]
        return torch.cat([self._of_block(channels_first(block, device).mean(1, keepdim=True)) for block in blocks])

    def _of_block(self, grey: Tensor) -> Tensor:
        maps = []
        for wavelength in self.wavelengths:
            even, odd = self._wavelets(wavelength, grey.device)
            padding = even.shape[-1] // 2
            modulus = torch.hypot(
                functional.conv2d(grey, even, padding=padding), functional.conv2d(grey, odd, padding=padding)
            )
            maps.append(functional.avg_pool2d(modulus, self.pool, self.pool // 2).flatten(1))
        return functional.normalize(torch.cat(maps, dim=1))

    def _wavelets(self, wavelength: float, device: torch.device) -> tuple[Tensor, Tensor]:
        """Even and odd wavelets (orientations, 1, k, k): a wave under a Gaussian of half its length, mean zero."""
        width = wavelength / 2
        reach = math.ceil(2.5 * width)
        grid = torch.arange(-reach, reach + 1, dtype=torch.float64)
        angles = torch.arange(self.orientations, dtype=torch.float64) * (math.pi / self.orientations)
        position = grid[None, None] * angles.cos()[:, None, None] + grid[None, :, None] * angles.sin()[:, None, None]
        envelope = torch.exp(-(grid[:, None] ** 2 + grid[None] ** 2) / (2 * width**2))
        envelope = envelope / envelope.sum()
        phase = 2 * math.pi / wavelength * position
        even = phase.cos() * envelope
        even = even - even.sum(dim=(1, 2), keepdim=True) * envelope
        odd = phase.sin() * envelope
        return even[:, None].float().to(device), odd[:, None].float().to(device)


class RandomPatches(config.RandomPatches):
    """Convolutions with random patches of the training images."""

    @property
    def block_count(self) -> int:
        return math.ceil(self.filters / self.block_filters)

    def blocks(self, train: Tensor, test: Tensor, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield features (n, d_b) and (m, d_b) float32 of images (N, C, H, W), a block of filters at a time.

        Standardised on the training images and divided by the root of the number of all features, so that distances,
        and with them the bandwidth, do not grow with the number of filters.
        """
        bank, offsets = self.bank(train, generator)
        for start in range(0, len(bank), self.block_filters):
            chosen = slice(start, start + self.block_filters)
            train_part, test_part = (self._features(images, bank[chosen], offsets[chosen]) for images in (train, test))
            std, mean = torch.std_mean(train_part, dim=0, correction=0)
            scale = std.clamp(min=1e-6) * (train_part.shape[1] / len(bank[chosen]) * len(bank)) ** 0.5
            yield train_part.sub_(mean).div_(scale), test_part.sub_(mean).div_(scale)

    def bank(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Filters (filters, C, k, k), and offsets (filters,) to subtract from their responses.

        A whitened patch v of length one responds to the whitened patch W (p - m) with (W v) . p - (W v) . m: the
        filter is W v, the offset (W v) . m.
        """
        patches = self._normalised_patches(images, self.sample, generator).double()
        mean = patches.mean(dim=0)
        values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / (len(patches) - 1))
        whiten = vectors * (values.clamp(min=0) + self.whitening).rsqrt() @ vectors.T
        chosen = self._normalised_patches(images, self.filters, generator).double()
        filters = functional.normalize((chosen - mean) @ whiten) @ whiten
        shape = (self.filters, images.shape[1], self.patch, self.patch)
        return filters.float().reshape(shape), (filters @ mean).float()

    def _normalised_patches(self, images: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """So many random patches (count, C k k), each less its mean, over its standard deviation."""
        height, width = images.shape[2] - self.patch + 1, images.shape[3] - self.patch + 1
        drawn = [torch.randint(limit, (count,), generator=generator) for limit in (len(images), height, width)]
        image, row, column = (indices.to(images.device) for indices in drawn)
        reach = torch.arange(self.patch, device=images.device)
        rows, columns = row[:, None, None] + reach[:, None], column[:, None, None] + reach
        patches = images[image[:, None, None], :, rows, columns].permute(0, 3, 1, 2).flatten(1)
        variance, mean = torch.var_mean(patches, dim=1, keepdim=True)
        return (patches - mean) / (variance + NOISE).sqrt()

    def _features(self, images: Tensor, filters: Tensor, offsets: Tensor) -> Tensor:
        """Pooled responses (N, 2 filters windows) of images (N, C, H, W)."""
        rows, columns = (self._windows(size, images.device) for size in images.shape[2:])
        windows = torch.kron(rows, columns)
        responses = RESPONSES_GPU if images.device.type == "cuda" else RESPONSES_CPU
        count = max(1, responses // (len(filters) * windows.shape[1]))
        # One tensor for all: many small ones between large temporary ones would fragment the memory.
        features = torch.empty((len(images), 2 * len(filters) * len(windows)), device=images.device)
        for block, part in zip(images.split(count), features.split(count), strict=True):
            part.copy_(self._of_block(block, filters, offsets, windows))
        return features

    def _windows(self, size: int, device: torch.device) -> Tensor:
        """Which positions of a patch on a side of `size` pixels each window sums: (windows, positions), 0 or 1.

        Raises DataError where the side is too short for a window.
        """
        if size < self.patch + self.pool - 1:
            raise DataError(
                f"theory.kernel: random_patches: found images {size} pixels a side, but patch {self.patch} and pool "
                f"{self.pool} need {self.patch + self.pool - 1}; make them smaller"
            )
        positions = torch.arange(size - self.patch + 1, device=device)
        starts = torch.arange(0, len(positions) - self.pool + 1, self.pool_stride, device=device)[:, None]
        return ((starts <= positions) & (positions < starts + self.pool)).float()

    def _of_block(self, images: Tensor, filters: Tensor, offsets: Tensor, windows: Tensor) -> Tensor:
        """Pooled responses of a few images; `windows` (windows, positions) is 1 where a window sums a position."""
        patches = functional.unfold(images, self.patch).mul_(self._scale(images))
        centred = (filters - filters.mean(dim=(1, 2, 3), keepdim=True)).flatten(1)
        response = (centred @ patches).sub_(offsets[:, None])
        sides = ((response - self.rectifier).relu_(), response.neg_().sub_(self.rectifier).relu_())
        return torch.cat([functional.linear(side, windows).flatten(1) for side in sides], dim=1)

    def _scale(self, images: Tensor) -> Tensor:
        """The factor (N, 1, positions) that normalises each patch; its mean cancels, as the filters are centred."""
        elements = images.shape[1] * self.patch**2
        # Mean square less squared mean cancels where a patch is flat and bright; float64 keeps the variance exact.
        wide = images.double()
        mean, mean_square = (
            functional.avg_pool2d(part.mean(1, keepdim=True), self.patch, 1) for part in (wide, wide.square())
        )
        variance = (mean_square - mean.square()).clamp(min=0) * elements / (elements - 1)
        return (variance + NOISE).rsqrt().float().flatten(2)
