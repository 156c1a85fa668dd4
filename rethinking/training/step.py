"""One optimisation step, wholly on the device and on buffers that stay in place.

A step selects its batch from the epoch's order by index, and writes its loss into a tensor that is read once per epoch;
the learning rate is a tensor too. So a CUDA device replays the whole step as one graph, without Python.
"""

import gc
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.sgd import sgd

from rethinking.core.streams import Stream, stream_seed
from rethinking.models.parts.network import autocast
from rethinking.training.device import compute_model, dropout_generator
from rethinking.training.problem import Problem
from rethinking.training.recipe import Recipe

GRAPH_WARM_UP_STEPS = 3


class TrainingStep:
    """SGD with momentum on a model; `begin_epoch` sets up an epoch, `run` takes one of its steps.

    `model` has the float32 weights and `compute_model` takes the steps, in `bf16` with copies of them.
    `cuda_graph`: on CUDA, replay a step as one graph. `refusal` says why a device took none.
    """

    def __init__(self, model: nn.Module, problem: Problem, recipe: Recipe, cuda_graph: bool = True):
        self.model = model
        self.problem = problem
        self.recipe = recipe
        device = problem.train_labels.device
        self.device = device
        self.weights: list[Tensor] = list(model.parameters())
        self.momentum = [torch.zeros_like(weight) for weight in self.weights]
        self.compute_model = compute_model(model, recipe.precision)
        self.parameters: list[Tensor] = list(self.compute_model.parameters())
        size = len(problem.train_labels)
        self.steps_per_epoch = -(-size // recipe.batch_size)
        self.last_batch_size = size - (self.steps_per_epoch - 1) * recipe.batch_size
        self.lr = torch.zeros((), device=device)
        self.order = torch.arange(size, device=device)
        self.offsets = torch.arange(recipe.batch_size, device=device)
        self.position = torch.zeros((), dtype=torch.int64, device=device)
        self.steps = torch.arange(self.steps_per_epoch, device=device)
        self.losses = torch.zeros(self.steps_per_epoch, device=device)
        self.generator = torch.Generator(device)
        self.captures = cuda_graph and device.type == "cuda"
        self.refusal: str | None = None
        self.graphs: dict[int, torch.cuda.CUDAGraph] = {}

    def begin_epoch(self, epoch: int, position: int = 0) -> None:
        """Set order, learning rate and seeds of an epoch (from 1), of which `position` steps are done."""
        seed = self.recipe.seed
        order = torch.Generator().manual_seed(stream_seed(seed, Stream.ORDER, epoch))
        self.order.copy_(torch.randperm(len(self.order), generator=order))
        self.lr.fill_(self.recipe.lr_at(epoch))
        self.generator.manual_seed(stream_seed(seed, Stream.AUGMENTATION, epoch))
        torch.manual_seed(stream_seed(seed, Stream.DROPOUT, epoch))
        self.position.fill_(position)

    def run(self, position: int) -> None:
        """Take the step at `position`, from 0, of the current epoch."""
        size = self.last_batch_size if position == self.steps_per_epoch - 1 else self.recipe.batch_size
        graph = self._graph(size) if self.captures else None
        if graph is None:
            self._step(size)
        else:
            graph.replay()

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor that a step changes, by name: what a checkpoint holds."""
        for name, tensor in self.model.state_dict().items():
            yield f"model.{name}", tensor
        for (name, _), tensor in zip(self.model.named_parameters(), self.momentum, strict=True):
            yield f"momentum.{name}", tensor
        yield "losses", self.losses
        yield "position", self.position

    @torch.no_grad()
    def copy_weights(self) -> None:
        """Bring the copies of the weights, where there are some, to their values."""
        if self.compute_model is not self.model:
            torch._foreach_copy_(self.parameters, self.weights)

    def _step(self, size: int) -> None:
        batch = self.order.index_select(0, self.position * self.recipe.batch_size + self.offsets[:size])
        labels = self.problem.train_labels.index_select(0, batch)
        if self.problem.augment is None:
            images = self.problem.train_inputs.index_select(0, batch)
        else:
            assert self.problem.train_images is not None
            images = self.problem.augment(self.problem.train_images.index_select(0, batch), self.generator)
        with autocast(self.device, self.recipe.precision):
            logits = self.compute_model(images.permute(0, 3, 1, 2))
        loss = functional.cross_entropy(logits.float(), labels)
        found = torch.autograd.grad(loss, self.parameters)
        gradients = [match_weight(gradient, weight) for gradient, weight in zip(found, self.weights, strict=True)]
        with torch.no_grad():
            sgd(
                self.weights,
                gradients,
                self.momentum,  # type: ignore[arg-type]
                fused=True,
                weight_decay=self.recipe.weight_decay,
                momentum=self.recipe.momentum,
                lr=self.lr,  # type: ignore[arg-type]
                dampening=0.0,
                nesterov=False,
                maximize=False,
            )
            self.copy_weights()
            # A select, not an indexed write: the deterministic form of the latter sorts its indices.
            torch.where(self.steps == self.position, loss, self.losses, out=self.losses)
            self.position += 1

    def _graph(self, size: int) -> torch.cuda.CUDAGraph | None:
        """The step on a batch of that size as a CUDA graph, captured on first use; the run's state stays as it was.

        Where the device refuses, this says so once and returns None: the same steps are then taken eagerly.
        """
        if size not in self.graphs:
            saved = {name: tensor.clone() for name, tensor in self.tensors()}
            generators = [self.generator, dropout_generator(self.device)]
            states = [generator.get_state() for generator in generators]
            stream = torch.cuda.current_stream() if self.device.type == "cuda" else None
            try:
                self.graphs[size] = self._capture(size)
            except RuntimeError as error:
                self._refuse(error)
                if stream is not None:
                    # A broken capture may leave its stream current and the generators waiting for its end.
                    torch.cuda.set_stream(stream)
                    for generator in generators:
                        generator.graphsafe_set_state(torch.Generator(self.device).graphsafe_get_state())
            for name, tensor in self.tensors():
                tensor.copy_(saved[name])
            self.copy_weights()
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)
        return self.graphs.get(size)

    def _capture(self, size: int) -> torch.cuda.CUDAGraph:
        """The step as a graph; the warm-up steps before it change the run's state."""
        # An earlier backward pass may live on in a reference cycle, and the capture would wait on its stream.
        gc.collect()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self.position.zero_()
            for _ in range(GRAPH_WARM_UP_STEPS):
                self._step(size)
                self.position.zero_()
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            self._step(size)
        return graph

    def _refuse(self, error: RuntimeError) -> None:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        self.captures = False
        self.graphs.clear()
        self.refusal = f"the training step cannot be captured as a CUDA graph ({reason})"
        print(f"warning: {self.refusal}; it runs eagerly, with the same results", file=sys.stderr, flush=True)


def match_weight(gradient: Tensor, weight: Tensor) -> Tensor:
    """The gradient in the type and, which the fused SGD of CUDA requires, in the memory layout of its weight."""
    fits = gradient.dtype == weight.dtype and gradient.stride() == weight.stride()
    return gradient if fits else torch.empty_like(weight).copy_(gradient)
