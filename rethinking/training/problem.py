"""The data of a run as tensors, which stay on the device for the whole run, and its freshly initialised network."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from rethinking.core import registry
from rethinking.core.arrays import ImageData
from rethinking.core.config import Parameters
from rethinking.core.errors import UsageError
from rethinking.core.streams import Stream, stream_seed
from rethinking.models.parts import network as models
from rethinking.training.augmentation import Augmentation
from rethinking.training.preprocessing import network_inputs

Augment = Callable[[Tensor, Generator], Tensor]


@dataclass(frozen=True)
class Problem:
    """Network inputs (N, H, W, C) float32 or bfloat16, ready for evaluation, and labels (N,) int64.

    Where `augment` is given, a step draws its batch from `train_images` (N, H, W, C), raw pixels, through it.
    """

    train_inputs: Tensor
    train_labels: Tensor
    train_true_labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor
    train_images: Tensor | None = None
    augment: Augment | None = None


def network(parameters: Parameters, arch: str, data: ImageData) -> nn.Module:
    """The freshly initialised network of that name, on the CPU, channels last."""
    size = parameters.input_size(arch)
    shape = (data.train_images.shape[-1], size, size)
    module = registry.load("models", arch, "train.archs")
    dropout, batch_size = parameters.regularizers.dropout, parameters.train.batch_size
    if parameters.smallest_batch(len(data.train_labels)) == 1:
        models.require_trainable(arch, module.build, shape, data.classes, dropout, batch_size, 1)
    seed = stream_seed(parameters.train.seed, Stream.INITIALISATION)
    model = models.seeded(module.build, shape, data.classes, dropout, seed)
    return models.channels_last(model)


def problem_of(parameters: Parameters, arch: str, data: ImageData, device: torch.device) -> Problem:
    """The data on the device, prepared for the network. Raises UsageError where the images are too small for it."""
    size = parameters.input_size(arch)
    if min(data.train_images.shape[1:3]) < size:
        found = "x".join(str(side) for side in data.train_images.shape[1:3])
        raise UsageError(
            f"archs.{arch}: its input is {size} pixels, but {data.name} under {data.corruption['kind']} is {found}; "
            f"set archs.{arch}.input_size to at most {min(data.train_images.shape[1:3])}"
        )
    labels = {
        name: torch.tensor(getattr(data, name), device=device)
        for name in ("train_labels", "train_true_labels", "test_labels")
    }
    precision = parameters.train.precision
    augment, train_images = None, None
    if parameters.regularizers.random_crop or parameters.regularizers.augmentation:
        augment = Augmentation(size, parameters.regularizers.augmentation, device)
        train_images = torch.tensor(data.train_images, device=device)
    return Problem(
        train_inputs=network_inputs(data.train_images, size, device, precision),
        test_inputs=network_inputs(data.test_images, size, device, precision),
        train_images=train_images,
        augment=augment,
        **labels,
    )
