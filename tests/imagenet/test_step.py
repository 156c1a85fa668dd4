"""A step of the ImageNet trainer does what torch's own optimiser would, group by group, or nothing."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from rethinking.core.interrupts import Stopped
from rethinking.imagenet.common.config import Row, Train
from rethinking.imagenet.training.processes import Processes
from rethinking.imagenet.training.step import GroupStep
from rethinking.imagenet.training.transforms import network_input
from tests.imagenet.image_sets import TRAIN

LABELS = torch.arange(16) % 5
STEPS = 6  # of eight images, in four groups; two make an epoch


def step_of(model: nn.Module, **changes: float) -> GroupStep:
    """A step of one process on a network without an auxiliary head."""
    recipe = Train.model_validate({**TRAIN, "auxiliary_loss": 0.0, **changes})
    row = Row(corruption="none", variant="weight_decay")
    return GroupStep(model, recipe, row, LABELS, Processes(0, 1, torch.device("cpu")))


def take(step: GroupStep, taken: int, poll: Callable[[], None] = lambda: None) -> tuple[Tensor, Tensor]:
    """The step after so many, on images of noise; the network's input and its labels."""
    random = torch.Generator().manual_seed(taken)
    pixels = torch.randint(0, 256, (8, 4, 4, 3), dtype=torch.uint8, generator=random)
    numbers = torch.randperm(16, generator=random)[:8]
    step.run(pixels, numbers, 1 + taken // 2, taken % 2, poll)
    return network_input(pixels), LABELS[numbers]


@pytest.fixture
def linear() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 5))


@pytest.fixture
def normalised() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 2 * 2, 5))


def test_it_is_a_step_of_sgd_on_smoothed_labels_and_averages_the_weights(linear):
    """Against torch's optimiser: warm-up, a rate that falls, momentum, weight decay on weights alone."""
    theirs = deepcopy(linear)
    changes = {"label_smoothing": 0.1, "warm_up_epochs": 1, "lr_decay": 0.5, "weight_decay": 0.1}
    step = step_of(linear, **changes, average_decay=0.002)
    groups = [{"params": [theirs[1].weight], "weight_decay": 0.1}, {"params": [theirs[1].bias]}]
    optimizer = torch.optim.SGD(groups, lr=1.0, momentum=0.9)
    averages = {name: each.detach().clone() for name, each in theirs.named_parameters()}
    for taken in range(STEPS):
        inputs, labels = take(step, taken)
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * 8 / 32 * (0.5, 1.0, 0.5, 0.5, 0.25, 0.25)[taken]
        logits = theirs(inputs)
        optimizer.zero_grad()
        functional.cross_entropy(logits, labels, label_smoothing=0.1).backward()
        optimizer.step()
        torch.testing.assert_close(step.losses[taken % 2].mean(), functional.cross_entropy(logits, labels))
        decay = min(0.002 ** (8 / 32), (1 + taken) / (10 + taken))
        for name, each in theirs.named_parameters():
            averages[name] = decay * averages[name] + (1 - decay) * each.detach()
            torch.testing.assert_close(step.parameters[name], each)
            torch.testing.assert_close(step.averages[name], averages[name])


def test_running_statistics_come_from_the_first_group_and_each_group_has_its_own(normalised):
    step, theirs = step_of(normalised, statistics_decay=0.1), deepcopy(normalised)
    inputs, labels = take(step, 0)
    groups = [(images, truth) for images, truth in zip(inputs.split(2), labels.split(2), strict=True)]
    losses = [functional.cross_entropy(theirs(images), truth).item() for images, truth in groups]
    assert step.losses[0].tolist() == pytest.approx(losses)
    mean = theirs[0](groups[0][0]).mean((0, 2, 3))
    torch.testing.assert_close(normalised[1].running_mean, (1 - 0.1 ** (8 / 32)) * mean)


def test_a_step_that_is_not_finished_leaves_nothing_behind(normalised):
    step = step_of(normalised)
    take(step, 0)
    before = {name: tensor.clone() for name, tensor in step.tensors()}
    polls = iter((None, None, Stopped()))

    def poll() -> None:
        if stopped := next(polls):
            raise stopped

    with pytest.raises(Stopped):
        take(step, 1, poll)
    assert all(tensor.equal(before[name]) for name, tensor in step.tensors())
    assert all(parameter.grad is None for parameter in normalised.parameters())
