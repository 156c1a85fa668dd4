"""Building a network from its file, and what all networks share."""

from collections.abc import Callable

import torch
from torch import nn

ImageShape = tuple[int, int, int]  # (C, H, W)
Builder = Callable[[ImageShape, int, float], nn.Module]  # image shape, classes, dropout: what a model's file defines


def seeded(build: Builder, image_shape: ImageShape, classes: int, dropout: float, seed: int) -> nn.Module:
    """Build on the CPU with that seed, so that the weights are the same for every device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(image_shape, classes, dropout)


def channels_last(model: nn.Module) -> nn.Module:
    """The model with the weights of convolutions channels last in memory, as the images are."""
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def parameter_count(model: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def initialise(model: nn.Module, weight: Callable[[torch.Tensor], object]) -> nn.Module:
    """Apply `weight` to the weights of every convolution and linear layer, and set their biases to zero."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            weight(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model
