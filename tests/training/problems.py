"""Small problems and models for the engine's tests."""

from dataclasses import replace

import torch
from torch import nn

from rethinking.training.problem import Problem
from rethinking.training.recipe import Recipe
from rethinking.training.step import TrainingStep

RECIPE = Recipe(
    epochs=4,
    batch_size=16,
    lr=0.05,
    lr_decay=0.95,
    lr_milestones=None,
    momentum=0.9,
    weight_decay=0.001,
    precision="float32",
    seed=3,
)


def recipe(**changes):
    return replace(RECIPE, **changes)


def random_problem(size=72, side=8, classes=4, seed=0):
    """Noise images with random labels, half of which are declared corrupted."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (size,), generator=generator)
    true = torch.where(torch.arange(size) % 2 == 0, labels, (labels + 1) % classes)
    return Problem(
        train_inputs=torch.randn(size, side, side, 3, generator=generator),
        train_labels=labels,
        train_true_labels=true,
        test_inputs=torch.randn(30, side, side, 3, generator=generator),
        test_labels=torch.randint(0, classes, (30,), generator=generator),
    )


def conv_net(classes=4, dropout=0.3, seed=1):
    """A convolution with batch normalisation and dropout: every kind of state a checkpoint must hold."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(8, classes),
    ).to(memory_format=torch.channels_last)


def perceptron(side=8, classes=4, width=256, seed=1):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(side * side * 3, width), nn.ReLU(), nn.Linear(width, classes))


class RefusingStep(TrainingStep):
    """A step on a device that is asked for a graph and refuses, in the middle of what moves the run's state."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.captures = True

    def _capture(self, size):
        self.position.zero_()
        self._step(size)
        raise RuntimeError("no graphs here\nas this device has none")


def jitter(images, generator):
    """An augmentation that draws from its generator."""
    return images + 0.1 * torch.randn(images.shape, generator=generator)
