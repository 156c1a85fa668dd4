"""Building a network from its file, trying it, and what all networks share."""

import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model
from torch import nn

from rethinking.core.errors import DataError, UsageError

ImageShape = tuple[int, int, int]  # (C, H, W)
Builder = Callable[[ImageShape, int, float], nn.Module]  # image shape, classes, dropout: what a model's file defines


def seeded(build: Builder, image_shape: ImageShape, classes: int, dropout: float, seed: int) -> nn.Module:
    """Build on the CPU with that seed, so that the weights are the same for every device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(image_shape, classes, dropout)


def require_trainable(
    arch: str, build: Builder, image_shape: ImageShape, classes: int, dropout: float, batch_size: int, smallest: int
) -> None:
    """Try a training step on a batch of `smallest` images, the smallest of an epoch.

    Raises UsageError for a batch of one that batch normalisation cannot take. Of a network of timm any failure is one
    of the parameters: not every one of its thousand takes small images. Of others it is a mistake in their code, whose
    place the training itself will show.
    """
    problem = _step_error(build, image_shape, classes, dropout, smallest)
    if problem is None:
        return
    if "more than 1 value per channel" in str(problem):
        last = "" if batch_size == 1 else ", which leaves a last batch of 1 image"
        raise UsageError(
            f"train.batch_size: found {batch_size}{last}, but {arch} normalises over each batch, which takes 2 or more"
        )
    if arch.startswith("timm/"):
        size = "x".join(str(side) for side in image_shape[1:])
        raise UsageError(
            f"archs.{arch}: timm's model cannot be trained on images of {size} pixels ({_reason(problem)}); set "
            f"another archs.{arch}.input_size, or train another network"
        )


def _step_error(build: Builder, image_shape: ImageShape, classes: int, dropout: float, batch: int) -> Exception | None:
    """What a training step raises, tried on the meta device, which follows shapes without memory and numbers."""
    try:
        with torch.device("meta"):
            model = channels_last(seeded(build, image_shape, classes, dropout, 0)).train()
            scores = model(torch.zeros(batch, *image_shape).to(memory_format=torch.channels_last))
            if scores.shape != (batch, classes):
                raise ValueError(f"its scores have the shape {tuple(scores.shape)}")
            torch.autograd.grad(scores.sum(), list(model.parameters()))
    except UsageError:
        raise
    except Exception as error:
        return error
    return None


def _reason(error: Exception) -> str:
    """The first line of an error, or the line of code that it failed at where it has no words."""
    lines = str(error).strip().splitlines()
    if lines:
        return lines[0]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {[frame.line for frame in frames if '/torch/' not in frame.filename][-1]}"


def load_weights(model: nn.Module, file: Path, device: torch.device) -> nn.Module:
    """The model on the device with the weights of a file. Raises DataError where they do not fit it or are damaged."""
    try:
        load_model(model.to(device), file, device=str(device))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{file} does not fit the network ({error}); run `dvc repro`") from None
    return model


def channels_last(model: nn.Module) -> nn.Module:
    """The model with the weights of convolutions channels last in memory, as the images are."""
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Autocast to bfloat16 where `precision` is `bf16`; nothing for `float32`. Weights stay float32 either way."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)


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
