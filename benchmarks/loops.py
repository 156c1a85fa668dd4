"""Four ways to train the same network on the same images, as functions that take so many steps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from rethinking.core import registry
from rethinking.models.alexnet import ResponseNorm
from rethinking.models.parts import network as models
from rethinking.training.preprocessing import network_inputs
from rethinking.training.problem import Problem
from rethinking.training.recipe import Recipe
from rethinking.training.step import TrainingStep

BATCH = 128
CLASSES = 10
RECIPE = Recipe(
    epochs=1,
    batch_size=BATCH,
    lr=0.01,
    lr_decay=1.0,
    lr_milestones=None,
    momentum=0.9,
    weight_decay=0.0,
    precision="float32",
    seed=0,
)

Steps = Callable[[int], None]


def build(arch: str, size: int) -> nn.Module:
    """The network of that name, freshly initialised."""
    return models.seeded(registry.load("models", arch, "arch").build, (3, size, size), CLASSES, 0.0, 0)


def images_and_labels(count: int, side: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Random images (count, side, side, 3) uint8 and labels: speed does not depend on what they show."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return images, generator.integers(0, CLASSES, count)


def resident_problem(images: np.ndarray, labels: np.ndarray, size: int, device: torch.device) -> Problem:
    """The images prepared on the device, as a training stage has them."""
    inputs = network_inputs(images, size, device)
    targets = torch.from_numpy(labels).to(device)
    return Problem(inputs, targets, targets, inputs[:1000], targets[:1000])


def engine_step(arch: str, size: int, problem: Problem, precision: str) -> TrainingStep:
    """This project's training step, at the beginning of an epoch."""
    model = models.channels_last(build(arch, size)).to(problem.train_labels.device)
    if precision == "bf16":
        train, test = problem.train_inputs.bfloat16(), problem.test_inputs.bfloat16()
        problem = replace(problem, train_inputs=train, test_inputs=test)
    step = TrainingStep(model.train(), problem, replace(RECIPE, precision=precision))
    step.begin_epoch(1)
    return step


def engine(step: TrainingStep) -> Steps:
    """That step, taken again and again in full batches."""
    full_batches = len(step.problem.train_labels) // BATCH

    def take(steps: int) -> None:
        for number in range(steps):
            if number % full_batches == 0:
                step.position.zero_()
            step.run(number % full_batches)
        step.losses.sum().item()

    return take


@contextmanager
def any_kernel() -> Iterator[None]:
    """As people run their loops: without asking for determinism, which LocalResponseNorm does not have on CUDA."""
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("default")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


def resident_loop(arch: str, size: int, problem: Problem) -> Steps:
    """The same network in plain float32, channels first, on data that lies on the device."""
    device = problem.train_labels.device
    model = build(arch, size).to(device)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    inputs = problem.train_inputs.permute(0, 3, 1, 2).contiguous()

    @any_kernel()
    def take(steps: int) -> None:
        model.train()
        for _ in range(steps):
            batch = torch.randint(len(inputs), (BATCH,), device=device)
            loss = functional.cross_entropy(model(inputs[batch]), problem.train_labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        loss.item()

    return take


def common_loop(
    arch: str, size: int, images: np.ndarray, labels: np.ndarray, device: torch.device, workers: int
) -> Steps:
    """The loop of the earlier reproductions: DataLoader workers, PIL transforms, float32, `.item()` at every step.

    AlexNet has torch's own local response normalisation here, as it has there.
    """
    model = build(arch, size)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, ResponseNorm):
                setattr(parent, name, nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1))
    model = model.to(device)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    transform = transforms.Compose([transforms.CenterCrop(size), transforms.ToTensor(), _whiten])
    loader = DataLoader(
        _PilImages(images, labels, transform),
        BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=True,
        drop_last=True,
        pin_memory=device.type == "cuda",
    )
    batches = _endless(loader)

    @any_kernel()
    def take(steps: int) -> None:
        model.train()
        running = 0.0
        for _ in range(steps):
            inputs, targets = next(batches)
            inputs, targets = inputs.to(device), targets.to(device)
            optimiser.zero_grad()
            loss = functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimiser.step()
            running += loss.item()

    return take


class _PilImages(Dataset):
    """What torchvision's CIFAR10 does for an item: an array to a PIL image, then the transforms."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Callable):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def _whiten(image: torch.Tensor) -> torch.Tensor:
    return (image - image.mean()) / max(image.std(correction=0).item(), image.numel() ** -0.5)


def _endless(loader: DataLoader):
    while True:
        yield from loader
