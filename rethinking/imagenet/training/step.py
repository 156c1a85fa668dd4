"""A step of SGD over groups of images, the same whatever the number of processes.

Batch normalisation takes its statistics over one group, and the running ones come from the first group of each step,
as TensorFlow's package took them from one of its machines. Gradients are summed within each half of the groups and then
over the two halves, so that one process, which has both, rounds as two do.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.optim.sgd import sgd

from rethinking.core.streams import Stream, stream_seed
from rethinking.imagenet.common.config import PACKAGE_BATCH, Row, Train
from rethinking.imagenet.training.processes import Processes
from rethinking.imagenet.training.transforms import network_input
from rethinking.models.parts.network import autocast

AVERAGE_WARM_UP = 10  # steps over which the averaged weights begin as a plain mean, as TensorFlow's do


class GroupStep:
    """SGD with momentum on a network, and the moving average of its weights.

    `losses` holds the plain cross-entropy of every group of the current epoch, of this process's groups alone.
    """

    def __init__(self, model: nn.Module, recipe: Train, row: Row, labels: Tensor, processes: Processes):
        self.model, self.recipe, self.processes = model, recipe, processes
        self.labels = labels
        self.steps_per_epoch = len(labels) // recipe.batch_size
        per_process = recipe.groups // processes.size
        self.groups = range(processes.rank * per_process, (processes.rank + 1) * per_process)
        self.parameters: dict[str, Tensor] = dict(model.named_parameters())
        # Weights of convolutions and linear layers decay, shifts and biases do not.
        decaying = [name for name, each in self.parameters.items() if each.ndim > 1]
        others = [name for name in self.parameters if name not in decaying]
        self.parts = [(decaying, recipe.weight_decay if row.has("weight_decay") else 0.0), (others, 0.0)]
        self.momentum = {name: torch.zeros_like(each) for name, each in self.parameters.items()}
        self.averages = {name: each.detach().clone() for name, each in self.parameters.items()}
        self.losses = torch.zeros(self.steps_per_epoch, recipe.groups, device=processes.device)
        self.normalisations = [each for each in model.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
        self.statistics_momentum = 1 - recipe.statistics_decay ** (recipe.batch_size / PACKAGE_BATCH)
        self.forward: nn.Module = model
        if processes.size > 1:
            # Running statistics are the first process's; it hands them on before they are read.
            self.forward = DistributedDataParallel(model, broadcast_buffers=False, gradient_as_bucket_view=True)

    @property
    def share(self) -> slice:
        """This process's part of a step's images."""
        size = self.recipe.group_size
        return slice(self.groups.start * size, self.groups.stop * size)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor that a step changes, by name: what a checkpoint holds."""
        for name, tensor in self.model.state_dict().items():
            yield f"model.{name}", tensor
        for name, tensor in self.momentum.items():
            yield f"momentum.{name}", tensor
        for name, tensor in self.averages.items():
            yield f"average.{name}", tensor
        yield "losses", self.losses

    def run(
        self, pixels: Tensor, numbers: Tensor, epoch: int, position: int, poll: Callable[[], None] = lambda: None
    ) -> None:
        """Take the step at `position`, from 0, of an epoch, from 1, on this process's images of it.

        `poll`, which all processes call before each of their groups, may raise: the step is then not begun.
        """
        statistics = [each.clone() for each in self.model.buffers()]
        try:
            gradients = self._gradients(pixels, numbers, epoch, position, poll)
        except BaseException:
            self.model.zero_grad()
            self.losses[position].zero_()
            for each, before in zip(self.model.buffers(), statistics, strict=True):
                each.copy_(before)
            raise
        self._update(gradients, (epoch - 1) * self.steps_per_epoch + position)

    def _gradients(
        self, pixels: Tensor, numbers: Tensor, epoch: int, position: int, poll: Callable[[], None]
    ) -> dict[str, Tensor]:
        """The sums over all groups of a step, by the parameter's name."""
        device, size = self.processes.device, self.recipe.group_size
        pixels = pixels.to(device, non_blocking=True)
        labels = self.labels[numbers.to(device, non_blocking=True)]
        sums: dict[str, Tensor] = {}
        for half in self._halves():
            for group in half:
                poll()
                part = slice((group - self.groups.start) * size, (group - self.groups.start + 1) * size)
                last = group == half[-1]
                with nullcontext() if last or self.processes.size == 1 else self.forward.no_sync():  # type: ignore[operator]
                    self._backward(pixels[part], labels[part], epoch, position, group)
            for name, parameter in self.parameters.items():
                assert parameter.grad is not None
                sums[name] = sums[name] + parameter.grad if name in sums else parameter.grad.clone()
                parameter.grad = None
        return sums

    def take_statistics_from_first(self) -> None:
        """Give every process the running statistics of the first."""
        self.processes.take_from_first(self.model.buffers())

    def _halves(self) -> list[range]:
        """This process's groups as those of two, where it is alone and has enough."""
        first, last = self.groups.start, self.groups.stop
        if self.processes.size > 1 or len(self.groups) % 2:
            return [self.groups]
        middle = (first + last) // 2
        return [range(first, middle), range(middle, last)]

    def _backward(self, pixels: Tensor, labels: Tensor, epoch: int, position: int, group: int) -> None:
        """Add a group's gradients to those of its half."""
        recipe = self.recipe
        step = (epoch - 1) * self.steps_per_epoch + position
        torch.manual_seed(stream_seed(recipe.seed, Stream.DROPOUT, step * recipe.groups + group))
        for each in self.normalisations:
            each.momentum = self.statistics_momentum if group == 0 else 0.0
        with autocast(self.processes.device, recipe.precision):
            found: Any = self.forward(network_input(pixels))
        logits, *auxiliary = found if isinstance(found, tuple) else (found,)
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
        for each in auxiliary:
            loss = loss + recipe.auxiliary_loss * functional.cross_entropy(
                each.float(), labels, label_smoothing=recipe.label_smoothing
            )
        loss.backward()
        with torch.no_grad():
            self.losses[position, group] = functional.cross_entropy(logits.detach().float(), labels)

    @torch.no_grad()
    def _update(self, gradients: dict[str, Tensor], step: int) -> None:
        """Move the weights by the mean gradient over groups, and their averages after them."""
        # DistributedDataParallel has divided the sum by the number of processes.
        torch._foreach_mul_(list(gradients.values()), self.processes.size / self.recipe.groups)
        rate = torch.tensor(self.rate_at(step), device=self.processes.device)
        for names, weight_decay in self.parts:
            sgd(
                [self.parameters[name] for name in names],
                [gradients[name] for name in names],
                [self.momentum[name] for name in names],
                fused=True,
                weight_decay=weight_decay,
                momentum=self.recipe.momentum,
                lr=rate,  # type: ignore[arg-type]
                dampening=0.0,
                nesterov=False,
                maximize=False,
            )
        decay = self.recipe.average_decay ** (self.recipe.batch_size / PACKAGE_BATCH)
        decay = min(decay, (1 + step) / (AVERAGE_WARM_UP + step))
        torch._foreach_lerp_(list(self.averages.values()), list(self.parameters.values()), 1 - decay)

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0 over all epochs."""
        recipe = self.recipe
        epochs = step / self.steps_per_epoch
        warm_up = min(1.0, (step + 1) / max(recipe.warm_up_epochs * self.steps_per_epoch, 1))
        drops = int(epochs) // recipe.lr_decay_epochs
        return recipe.lr * recipe.batch_size / PACKAGE_BATCH * warm_up * recipe.lr_decay**drops
