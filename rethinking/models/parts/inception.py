"""The small Inception of the paper's figure 3, with and without batch normalisation, and what it is made of."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from rethinking.models.parts.network import ImageShape, initialise

Unit = Callable[[int, int, int, int], nn.Module]


class ShiftedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with a learnable shift and no learnable scale: TensorFlow-slim's default, which the paper's
    parameter count of 1,649,402 implies."""

    def __init__(self, channels: int):
        super().__init__(channels, affine=False)
        self.bias = nn.Parameter(torch.zeros(channels))
        self.scale = nn.Buffer(torch.ones(channels), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Normalise (N, channels, H, W) by batch statistics in training, running ones in evaluation."""
        return functional.batch_norm(
            features,
            self.running_mean,
            self.running_var,
            self.scale,
            self.bias,
            self.training,
            self.momentum or 0.0,
            self.eps,
        )


def normalised_unit(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Module:
    """Convolution, batch normalisation, ReLU; the normalisation's shift serves as the bias."""
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, ShiftedBatchNorm(channels_out), nn.ReLU(inplace=True))


def plain_unit(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Module:
    """Convolution with bias, ReLU."""
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2)
    return nn.Sequential(convolution, nn.ReLU(inplace=True))


class Parallel(nn.Module):
    """Concatenate the channels of two branches."""

    def __init__(self, first: nn.Module, second: nn.Module):
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to (N, channels of both branches, H', W')."""
        branches = [self.first(features), self.second(features)]
        for branch in branches:
            if branch.requires_grad and branch.device.type == "cpu":
                branch.register_hook(_whole)
        return torch.cat(branches, dim=1)


def _whole(gradient: Tensor) -> Tensor:
    """A branch's slice of the gradient as a tensor of its own: ReLU's backward pass on a CPU is slow on a slice, in
    bfloat16 more than ten times as slow.
    """
    return gradient.contiguous(memory_format=torch.channels_last)


def small_inception(unit: Unit, image_shape: ImageShape, classes: int, dropout: float) -> nn.Module:
    """Stack the modules of figure 3 for images (C, H, W).

    Stride-2 layers pad (1, 1), torch's way; TensorFlow would pad (0, 1).
    """
    channels = 96
    layers = [unit(image_shape[0], channels, 3, 1)]
    # Two widths: an Inception module of 1x1 and 3x3 branches. One width: a stride-2 3x3 branch beside a max-pool.
    for widths in [(32, 32), (32, 48), (80,), (112, 48), (96, 64), (80, 80), (48, 96), (96,), (176, 160), (176, 160)]:
        if len(widths) == 2:
            layers.append(Parallel(unit(channels, widths[0], 1, 1), unit(channels, widths[1], 3, 1)))
            channels = sum(widths)
        else:
            layers.append(Parallel(unit(channels, widths[0], 3, 2), nn.MaxPool2d(3, 2, padding=1)))
            channels += widths[0]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, classes)]
    model = nn.Sequential(*layers, *head)
    return initialise(model, nn.init.xavier_uniform_)
