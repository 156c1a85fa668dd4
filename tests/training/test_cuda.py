"""The engine on a CUDA device: the captured graph is the eager step, and runs repeat and resume to the bit."""

from dataclasses import replace

import pytest
import torch

from rethinking.core.interrupts import Stopped
from rethinking.core.registry import load, names
from rethinking.models.parts.network import channels_last, seeded
from rethinking.training.augmentation import Augmentation
from rethinking.training.device import select_device
from rethinking.training.loop import train
from rethinking.training.problem import Problem
from rethinking.training.step import TrainingStep
from tests.training.problems import conv_net, recipe

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture
def cuda():
    """The device as a training stage selects it; what that sets for the whole process is undone."""
    mode, products = torch.get_deterministic_debug_mode(), torch.get_float32_matmul_precision()
    yield select_device("cuda", True)
    torch.set_deterministic_debug_mode(mode)
    torch.set_float32_matmul_precision(products)


def image_problem(device, count=200, size=28, augment=False):
    """Noise images with random labels, prepared on the device; the last batch of 64 is a short one."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, size + 4, size + 4, 3), dtype=torch.uint8, generator=generator).to(device)
    labels = torch.randint(0, 10, (count,), generator=generator).to(device)
    inputs = torch.randn(count, size, size, 3, generator=generator).to(device)
    problem = Problem(inputs, labels, labels, inputs, labels)
    return replace(problem, train_images=images, augment=Augmentation(size, True, device)) if augment else problem


def network(name, device, dropout=0.0):
    size = 32 if name.startswith("timm/") or name == "wrn_28_1" else 28
    size = 75 if name.endswith("inception_v3") else size
    model = seeded(load("models", name, "arch").build, (3, size, size), 10, dropout, 0)
    return channels_last(model).to(device), size


def weights(model):
    return {name: tensor.cpu().clone() for name, tensor in model.state_dict().items()}


def differing(first, second):
    return [name for name in first if not torch.equal(first[name], second[name])]


SETTINGS = recipe(epochs=2, batch_size=64, lr=0.01)


@pytest.mark.parametrize("arch", names("models"))
def test_the_graph_takes_the_steps_that_the_eager_code_takes(cuda, arch):
    found = []
    for graph in (True, False):
        model, size = network(arch, cuda)
        step = TrainingStep(model.train(), image_problem(cuda, size=size), SETTINGS, cuda_graph=graph)
        losses = []
        for epoch in (1, 2):
            step.begin_epoch(epoch)
            for position in range(step.steps_per_epoch):
                step.run(position)
            losses += step.losses.tolist()
        assert bool(step.graphs) == graph
        found.append((weights(model), losses))
    (graphed, graph_losses), (eager, eager_losses) = found
    assert graph_losses == pytest.approx(eager_losses, rel=1e-4)
    assert all(torch.allclose(graphed[name].double(), eager[name].double(), rtol=1e-3, atol=1e-4) for name in eager)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("arch", names("models"))
def test_the_same_run_twice_gives_the_same_bits(cuda, arch, precision):
    found = []
    for _ in range(2):
        model, size = network(arch, cuda, dropout=0.2)
        outcome = train(model, image_problem(cuda, size=size, augment=True), replace(SETTINGS, precision=precision))
        found.append((weights(model), outcome.rows))
    assert differing(found[0][0], found[1][0]) == []
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("stop_after", [1, 3, 5, 7])
def test_a_run_stopped_anywhere_continues_to_the_same_bits(cuda, tmp_path, stop_after):
    def fresh():
        return conv_net(classes=10).to(cuda), image_problem(cuda, augment=True)

    whole, problem = fresh()
    expected = train(whole, problem, SETTINGS)
    polls = iter(range(10**6))
    stopped, problem = fresh()
    with pytest.raises(Stopped):
        train(stopped, problem, SETTINGS, tmp_path / "c", stop_requested=lambda: next(polls) >= stop_after)
    continued, problem = fresh()
    outcome = train(continued, problem, SETTINGS, tmp_path / "c")
    assert outcome.rows == expected.rows
    assert outcome.windows == expected.windows
    assert differing(weights(whole), weights(continued)) == []


def test_capturing_the_graph_moves_no_state(cuda):
    model = conv_net(classes=10).to(cuda)
    step = TrainingStep(model.train(), image_problem(cuda, augment=True), SETTINGS)
    step.begin_epoch(1)
    before = {name: tensor.clone() for name, tensor in step.tensors()}
    generators = step.generator.get_state(), torch.cuda.get_rng_state()
    step._graph(SETTINGS.batch_size)
    assert differing(before, dict(step.tensors())) == []
    assert torch.equal(step.generator.get_state(), generators[0])
    assert torch.equal(torch.cuda.get_rng_state(), generators[1])


@pytest.mark.parametrize("moment", ["before", "during"])
def test_where_the_device_refuses_the_graph_the_steps_are_the_same(cuda, capsys, monkeypatch, moment):
    """An operation that needs the host's answer breaks the capture, as a driver without graphs does."""

    def trained():
        model = conv_net(classes=10, dropout=0.5).to(cuda)
        return train(model, image_problem(cuda, augment=True), SETTINGS).rows, weights(model)

    expected = trained()
    assert capsys.readouterr().err == ""
    whole = TrainingStep._step

    def refusing(step, size):
        if moment == "before" and torch.cuda.is_current_stream_capturing():
            raise RuntimeError("no graphs here")
        whole(step, size)
        if torch.cuda.is_current_stream_capturing():
            step.losses.sum().item()

    monkeypatch.setattr(TrainingStep, "_step", refusing)
    rows, tensors = trained()
    assert capsys.readouterr().err.count("cannot be captured as a CUDA graph") == 1
    assert [row["train_loss"] for row in rows] == pytest.approx([row["train_loss"] for row in expected[0]], rel=1e-3)
    assert all(torch.allclose(tensors[name], expected[1][name], rtol=1e-2, atol=1e-3) for name in tensors)


def test_every_replay_draws_another_augmentation_and_dropout(cuda):
    model = conv_net(classes=10, dropout=0.5).to(cuda)
    still = replace(SETTINGS, lr=0.0, weight_decay=0.0)
    step = TrainingStep(model.train(), image_problem(cuda, count=64, augment=True), still)
    losses = []
    for _ in range(4):
        step.begin_epoch(1)
        for _ in range(2):
            step.position.zero_()
            step.run(0)
            losses.append(step.losses[0].item())
    assert losses[0] != losses[1]
    assert losses[:2] == losses[2:4] == losses[4:6]


def test_a_training_run_is_the_cpus_to_rounding(cuda):
    found = []
    for device in (torch.device("cpu"), cuda):
        model, size = network("mlp_1x512", device)
        found.append(train(model, image_problem(device, size=size), SETTINGS).rows[-1])
    assert found[0]["train_loss"] == pytest.approx(found[1]["train_loss"], rel=1e-2)
