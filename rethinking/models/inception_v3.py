"""Inception V3 (Szegedy et al. 2016), the paper's network for ImageNet: 23,817,352 parameters on 299x299x3 with 1,000
classes, 27,143,152 with the auxiliary head.

The layers are those of the TensorFlow package whose setup the paper reuses (tensorflow/models,
inception/inception/slim/inception_model.py): normalisation has a shift and no learnable scale, and average pools leave
the padding out, where torchvision and timm have a scale and count the padding as zeros.

Initialisation: the package's, normal with deviation 0.1, cut off at two deviations; 0.01 for the last linear layer and
the auxiliary head's last convolution, 0.001 for the auxiliary linear layer. Biases and shifts are zero.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rethinking.core.errors import UsageError
from rethinking.models.parts.inception import ShiftedBatchNorm
from rethinking.models.parts.network import ImageShape, initialise

SMALLEST = 75  # pixels a side: of one less the last map has no pixel
# The share of a batch in the running statistics, as in the package. Their first values fade over 10,000 steps, before
# which an evaluation says nothing; a shorter run needs a larger share.
STATISTICS_MOMENTUM = 3e-4
FEWEST_CHANNELS = 16  # of any layer of a narrow network, as in TensorFlow-slim


class Convolution(NamedTuple):
    """Convolution, normalisation, ReLU."""

    channels: int
    kernel: tuple[int, int]
    stride: int = 1
    padded: bool = True


Step = Convolution | nn.Module | list["Branch"]  # a list of branches is a module of Inception
Branch = Sequence[Step]


def _same(channels: int, height: int, width: int | None = None) -> Convolution:
    """To a map of the same size."""
    return Convolution(channels, (height, width or height))


def _valid(channels: int, stride: int = 1) -> Convolution:
    return Convolution(channels, (3, 3), stride, padded=False)


def _average() -> nn.Module:
    return nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)


def _halve() -> nn.Module:
    return nn.MaxPool2d(3, 2)


def _module_35(pooled: int) -> list[Branch]:
    """On maps of 35x35 pixels for images of 299."""
    return [
        [_same(64, 1)],
        [_same(48, 1), _same(64, 5)],
        [_same(64, 1), _same(96, 3), _same(96, 3)],
        [_average(), _same(pooled, 1)],
    ]


def _module_17(inner: int) -> list[Branch]:
    """On maps of 17x17, with convolutions of 7x7 factored into 1x7 and 7x1."""
    return [
        [_same(192, 1)],
        [_same(inner, 1), _same(inner, 1, 7), _same(192, 7, 1)],
        [_same(inner, 1), _same(inner, 7, 1), _same(inner, 1, 7), _same(inner, 7, 1), _same(192, 1, 7)],
        [_average(), _same(192, 1)],
    ]


def _module_8() -> list[Branch]:
    """On maps of 8x8, with two branches that part once more."""
    return [
        [_same(320, 1)],
        [_same(384, 1), [[_same(384, 1, 3)], [_same(384, 3, 1)]]],
        [_same(448, 1), _same(384, 3), [[_same(384, 1, 3)], [_same(384, 3, 1)]]],
        [_average(), _same(192, 1)],
    ]


def _trunk() -> Branch:
    """The layers up to the last map of 17x17, on which the auxiliary head stands."""
    return [
        *(_valid(32, stride=2), _valid(32), _same(64, 3), _halve(), _same(80, 1), _valid(192), _halve()),
        *(_module_35(pooled) for pooled in (32, 64, 64)),
        [[_valid(384, stride=2)], [_same(64, 1), _same(96, 3), _valid(96, stride=2)], [_halve()]],
        *(_module_17(inner) for inner in (128, 160, 160, 192)),
    ]


def _trunk_side(pixels: int) -> int:
    """The side of the trunk's map for images of so many pixels a side: 17 for 299."""
    for stride in (2, 1, 2, 1, 2, 2):  # of its layers of 3x3 without padding
        pixels = (pixels - 3) // stride + 1
    return pixels


def _top() -> Branch:
    """The layers from the trunk's map to the last one, of 8x8."""
    factored = [_same(192, 1), _same(192, 1, 7), _same(192, 7, 1), _valid(192, stride=2)]
    return [[[_same(192, 1), _valid(320, stride=2)], factored, [_halve()]], _module_8(), _module_8()]


class Parallel(nn.ModuleList):
    """Concatenate the channels of all branches."""

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to (N, channels of all branches, H', W')."""
        return torch.cat([branch(features) for branch in self], dim=1)


@dataclass(frozen=True)
class Factory:
    """Makes layers of `width` times as many channels."""

    width: float

    def branch(self, channels: int, steps: Branch) -> tuple[nn.Sequential, int]:
        """The steps after each other on maps of so many channels; and the channels that come out."""
        layers = []
        for step in steps:
            layer, channels = self._layer(channels, step)
            layers.append(layer)
        return nn.Sequential(*layers), channels

    def _layer(self, channels: int, step: Step) -> tuple[nn.Module, int]:
        if isinstance(step, nn.Module):
            return step, channels
        if isinstance(step, list):
            branches, widths = zip(*(self.branch(channels, branch) for branch in step), strict=True)
            return Parallel(branches), sum(widths)
        return self.convolution(channels, step)

    def convolution(self, channels: int, step: Convolution) -> tuple[nn.Sequential, int]:
        """The layer on maps of so many channels; and the channels that come out."""
        found = max(int(step.channels * self.width), FEWEST_CHANNELS)
        padding = (step.kernel[0] // 2, step.kernel[1] // 2) if step.padded else 0
        convolution = nn.Conv2d(channels, found, step.kernel, step.stride, padding, bias=False)
        normalisation = ShiftedBatchNorm(found)
        normalisation.eps, normalisation.momentum = 0.001, STATISTICS_MOMENTUM
        return nn.Sequential(convolution, normalisation, nn.ReLU(inplace=True)), found


class AuxiliaryHead(nn.Module):
    """A second classifier: pool, project, cover the whole map with one kernel. Small images have a smaller map."""

    def __init__(self, make: Factory, channels: int, sides: tuple[int, int], classes: int):
        super().__init__()
        pool = (min(5, sides[0]), min(5, sides[1]))
        kernel = ((sides[0] - pool[0]) // 3 + 1, (sides[1] - pool[1]) // 3 + 1)
        self.project, channels = make.branch(channels, [nn.AvgPool2d(pool, 3), _same(128, 1)])
        self.cover, channels = make.convolution(channels, Convolution(768, kernel, padded=False))
        self.classify = nn.Linear(channels, classes)

    def forward(self, features: Tensor) -> Tensor:
        """The trunk's map (N, C, H, W) to logits (N, classes)."""
        return self.classify(self.cover(self.project(features)).flatten(1))


class InceptionV3(nn.Module):
    """The whole network, with weights as the module says."""

    def __init__(self, make: Factory, image_shape: ImageShape, classes: int, dropout: float, auxiliary: bool):
        super().__init__()
        self.trunk, channels = make.branch(image_shape[0], _trunk())
        sides = (_trunk_side(image_shape[1]), _trunk_side(image_shape[2]))
        self.auxiliary = AuxiliaryHead(make, channels, sides, classes) if auxiliary else None
        self.top, channels = make.branch(channels, _top())
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.classify = nn.Linear(channels, classes)
        initialise(self, _truncated_normal(0.1))
        initialise(self.classify, _truncated_normal(0.01))
        if self.auxiliary is not None:
            initialise(self.auxiliary.cover, _truncated_normal(0.01))
            initialise(self.auxiliary.classify, _truncated_normal(0.001))

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """(N, C, H, W) to logits (N, classes); in training with an auxiliary head also to its logits, as the second."""
        features = self.trunk(images)
        logits = self.classify(self.pool(self.top(features)))
        if self.auxiliary is None or not self.training:
            return logits
        return logits, self.auxiliary(features)


def _truncated_normal(deviation: float) -> Callable[[Tensor], Tensor]:
    """TensorFlow's: what lies beyond two deviations is drawn again, which leaves 0.88 of the deviation."""
    return partial(nn.init.trunc_normal_, std=deviation, a=-2 * deviation, b=2 * deviation)


def build(
    image_shape: ImageShape, classes: int, dropout: float, width: float = 1.0, auxiliary: bool = False
) -> InceptionV3:
    """Build for images of shape (C, H, W), of at least 75 pixels a side; `width` multiplies the channels of all layers.

    Raises UsageError for smaller images.
    """
    if min(image_shape[1:]) < SMALLEST:
        raise UsageError(
            f"archs.inception_v3.input_size: found {min(image_shape[1:])}, but Inception V3 takes images of at least "
            f"{SMALLEST} pixels a side"
        )
    return InceptionV3(Factory(width), image_shape, classes, dropout, auxiliary)
