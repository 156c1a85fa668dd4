import math
import random
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from rethinking.core import config
from rethinking.core.curves import first_step_below
from rethinking.core.interrupts import Stopped
from rethinking.core.registry import load, names
from rethinking.models.parts.network import channels_last, seeded
from rethinking.training.checkpoint import load_checkpoint
from rethinking.training.evaluation import predict_all, scores
from rethinking.training.loop import Outcome, loss_windows, summarise, train
from rethinking.training.step import TrainingStep, match_weight
from tests.stage_processes import ROOT
from tests.training.problems import RefusingStep, conv_net, jitter, perceptron, random_problem, recipe


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same_weights(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def augmented_problem():
    problem = random_problem()
    return replace(problem, train_images=problem.train_inputs, augment=jitter)


def test_a_perceptron_memorises_256_random_labels_completely():
    problem = random_problem(size=256)
    outcome = train(perceptron(), problem, recipe(epochs=60, lr_decay=1.0, weight_decay=0.0))
    metrics = summarise(outcome)
    assert metrics["train_accuracy"] == 1.0
    assert metrics["fitted"]
    assert metrics["train_loss"] < 0.05
    assert metrics["corrupted_subset_accuracy"] == 1.0
    assert metrics["recovered_true_accuracy"] == 0.0


def of_the_registry(arch):
    """A network of the project on images that it takes."""
    side = config.load(ROOT / "params.yaml").input_size(arch)
    build = partial(seeded, load("models", arch, "arch").build, (3, side, side), 4, 0.0, 0)
    return lambda: channels_last(build()), random_problem(size=20, side=side)


NETWORKS = {arch: partial(of_the_registry, arch) for arch in names("models")}
NETWORKS["conv_net"] = lambda: (partial(conv_net, dropout=0.0), random_problem())
EPOCHS = {"conv_net": 2}  # in which the rate falls; of two steps each


@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_is_the_one_of_torchs_own_optimiser(name):
    """For every network: the fused update takes gradients as they lie in memory, whatever their layout."""
    build, problem = NETWORKS[name]()
    settings = recipe(batch_size=16, epochs=EPOCHS.get(name, 1), lr=0.01)
    ours, theirs = build(), build()
    train(ours, problem, settings)
    step = TrainingStep(theirs, problem, settings)
    optimiser = torch.optim.SGD(theirs.parameters(), lr=0.0, momentum=0.9, weight_decay=settings.weight_decay)
    theirs.train()
    for epoch in range(1, settings.epochs + 1):
        step.begin_epoch(epoch)
        optimiser.param_groups[0]["lr"] = settings.lr * settings.lr_decay ** (epoch - 1)
        for batch in step.order.split(16):
            loss = nn.functional.cross_entropy(
                theirs(problem.train_inputs[batch].permute(0, 3, 1, 2)), problem.train_labels[batch]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    for mine, reference in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gradient_takes_the_type_and_layout_of_its_weight_and_keeps_its_values(dtype):
    weight = torch.zeros(8, 3, 3, 3).to(memory_format=torch.channels_last)
    gradient = torch.randn(8, 3, 3, 3).to(dtype)
    matched = match_weight(gradient, weight)
    assert matched.stride() == weight.stride() != gradient.stride()
    assert matched.dtype == torch.float32
    assert torch.equal(matched, gradient.float())
    assert match_weight(matched, weight) is matched


def test_every_image_is_seen_once_an_epoch_in_an_order_of_the_epoch_and_seed():
    def order(seed, epoch):
        step = TrainingStep(perceptron(), random_problem(), recipe(seed=seed))
        step.begin_epoch(epoch)
        return step.order

    orders = [order(0, 1), order(0, 2), order(1, 1)]
    assert all(torch.equal(each.sort().values, torch.arange(72)) for each in orders)
    assert len({each.numpy().tobytes() for each in orders}) == 3


def test_the_same_run_twice_gives_the_same_bits():
    results = []
    for _ in range(2):
        model = conv_net()
        outcome = train(model, augmented_problem(), recipe())
        results.append((outcome, weights(model)))
    assert results[0][0] == results[1][0]
    assert_same_weights(results[0][1], results[1][1])


def test_more_epochs_extend_the_curves_without_changing_their_beginning():
    short = train(conv_net(), augmented_problem(), recipe(epochs=2))
    long = train(conv_net(), augmented_problem(), recipe(epochs=4))
    assert long.rows[:2] == short.rows


def test_augmentation_changes_the_result_but_not_the_order():
    plain, augmented = random_problem(), augmented_problem()
    orders = []
    for problem in (plain, augmented):
        step = TrainingStep(conv_net(), problem, recipe())
        step.begin_epoch(1)
        step.run(0)
        step.begin_epoch(2)
        orders.append(step.order.clone())
    assert torch.equal(*orders)
    assert train(conv_net(), plain, recipe()).rows != train(conv_net(), augmented, recipe()).rows


def test_every_epoch_and_seed_has_augmentation_draws_of_its_own():
    def draws(seed, epoch):
        step = TrainingStep(conv_net(), augmented_problem(), recipe(seed=seed))
        step.begin_epoch(epoch)
        return torch.rand(4, generator=step.generator)

    assert torch.equal(draws(0, 1), draws(0, 1))
    assert not torch.equal(draws(0, 1), draws(0, 2))
    assert not torch.equal(draws(0, 1), draws(1, 1))


@pytest.mark.parametrize("evaluate_every", [1, 3])
@pytest.mark.parametrize("attempt", range(5))
def test_a_run_stopped_anywhere_continues_to_the_same_bits(tmp_path, attempt, evaluate_every):
    precision = ("float32", "bf16")[attempt % 2]
    whole_model, settings = conv_net(), recipe(evaluate_every=evaluate_every, precision=precision)
    whole = train(whole_model, augmented_problem(), settings)
    chance = random.Random(attempt)
    checkpoint = tmp_path / "run.safetensors"
    interruptions = 0
    while True:
        polls_left = chance.randrange(1, 14)

        def stop_requested():
            nonlocal polls_left
            polls_left -= 1
            return polls_left < 0

        model = conv_net()
        torch.manual_seed(chance.randrange(1000))
        try:
            outcome = train(model, augmented_problem(), settings, checkpoint, stop_requested=stop_requested)
            break
        except Stopped:
            interruptions += 1
    assert interruptions >= 1
    assert outcome == whole
    assert_same_weights(weights(model), weights(whole_model))


def test_a_finished_checkpoint_gives_the_run_without_another_step(tmp_path):
    checkpoint = tmp_path / "run.safetensors"
    first = train(conv_net(), random_problem(), recipe(), checkpoint)
    steps = []
    second = train(conv_net(), random_problem(), recipe(), checkpoint, on_step=steps.append)
    assert second == first
    assert steps == []


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "a bit"])
def test_a_damaged_checkpoint_starts_the_run_over(tmp_path, damage, capsys):
    checkpoint = tmp_path / "run.safetensors"
    whole = train(conv_net(), random_problem(), recipe(), checkpoint)
    content = checkpoint.read_bytes()
    flipped = bytearray(content)
    flipped[-1000] ^= 1
    damaged = {"truncated": content[: len(content) // 2], "garbage": b"x" * 5000, "empty": b"", "a bit": flipped}
    checkpoint.write_bytes(damaged[damage])
    assert load_checkpoint(checkpoint, TrainingStep(conv_net(), random_problem(), recipe())) is None
    assert "run.safetensors is damaged" in capsys.readouterr().err
    assert train(conv_net(), random_problem(), recipe(), checkpoint) == whole


@pytest.mark.parametrize("evaluate_every", [1, 9])
def test_a_run_that_diverges_ends_at_once_and_says_so(evaluate_every):
    outcome = train(perceptron(), random_problem(), recipe(lr=1e12, epochs=9, evaluate_every=evaluate_every))
    metrics = summarise(outcome)
    assert metrics["diverged"]
    assert not metrics["fitted"]
    assert metrics["epochs"] < 9


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_device_that_refuses_the_graph_trains_to_the_same_bits(capsys, precision):
    found = []
    for kind in (TrainingStep, RefusingStep):
        model = conv_net()
        step = kind(model.train(), augmented_problem(), recipe(precision=precision))
        for epoch in (1, 2):
            step.begin_epoch(epoch)
            for position in range(step.steps_per_epoch):
                step.run(position)
        found.append((step.losses.tolist(), weights(model)))
    said = (
        "the training step cannot be captured as a CUDA graph (no graphs here); it runs eagerly, with the same results"
    )
    assert capsys.readouterr().err == f"warning: {said}\n"
    assert found[0][0] == found[1][0]
    assert_same_weights(found[0][1], found[1][1])


def test_fewer_evaluations_leave_out_rows_far_from_the_fit_and_change_nothing_else():
    settings = recipe(epochs=40, lr=0.005, lr_decay=1.0)
    models, outcomes = [], []
    for evaluate_every in (1, 7, 100):
        models.append(perceptron())
        outcomes.append(train(models[-1], random_problem(), replace(settings, evaluate_every=evaluate_every)))
        assert_same_weights(weights(models[0]), weights(models[-1]))
        assert outcomes[-1].windows == outcomes[0].windows
    near = [row["minibatch_loss"] < 0.2 for row in outcomes[0].rows].index(True) + 1
    assert 8 < near < 40
    for evaluate_every, outcome in zip((7, 100), outcomes[1:], strict=True):
        assert outcome.rows == [r for r in outcomes[0].rows if r["epoch"] % evaluate_every == 0 or r["epoch"] >= near]


def test_the_last_epoch_is_evaluated_and_then_recorded_as_the_end():
    outcome = train(conv_net(), random_problem(), recipe(epochs=5, evaluate_every=3))
    assert [row["epoch"] for row in outcome.rows] == [3, 5]
    assert summarise(outcome)["epochs"] == 5
    assert sum(window["step"] == 25 for window in outcome.windows) == 1


def test_a_run_may_end_some_epochs_after_it_fits():
    whole = train(perceptron(), random_problem(), recipe(epochs=60, lr_decay=1.0))
    fits = [row["train_accuracy"] >= 0.999 and row["train_loss"] <= 0.01 for row in whole.rows]
    early = train(perceptron(), random_problem(), recipe(epochs=60, lr_decay=1.0, stop_when_fitted=3))
    assert True in fits[:-4]
    assert early.rows == whole.rows[: fits.index(True) + 4]
    later = train(perceptron(), random_problem(), recipe(epochs=60, lr_decay=1.0, stop_when_fitted=30))
    assert fits.index(True) < 29
    assert later.rows == whole.rows[: fits.index(True) + 31]


def test_epochs_after_the_fit_are_counted_whether_they_are_evaluated_or_not():
    """Where a third of the images is blanked, mini-batches keep a high loss although the images themselves fit."""

    def blank(images, generator):
        return images * (torch.rand(len(images), 1, 1, 1, generator=generator) > 0.3)

    problem = replace(random_problem(), train_images=random_problem().train_inputs, augment=blank)
    settings = recipe(epochs=60, lr_decay=1.0, weight_decay=0.0, evaluate_every=5, stop_when_fitted=7)
    outcome = train(perceptron(), problem, settings)
    assert all(row["minibatch_loss"] > 0.2 for row in outcome.rows)
    fits = [row["epoch"] for row in outcome.rows if row["train_accuracy"] >= 0.999 and row["train_loss"] <= 0.01]
    first = fits[0]
    assert first % 5 == 0
    assert [row["epoch"] for row in outcome.rows] == [*range(5, first, 5), first, first + 5, first + 7]


def test_bf16_trains_float32_weights():
    model = perceptron()
    outcome = train(model, random_problem(), recipe(precision="bf16", epochs=2))
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert outcome != train(perceptron(), random_problem(), recipe(epochs=2))


@pytest.mark.parametrize("name", NETWORKS)
def test_in_bf16_copies_of_the_weights_give_the_bits_of_autocast(name):
    """Autocast makes its own copies of float32 weights and inputs, at every step."""
    build, problem = NETWORKS[name]()
    settings = recipe(batch_size=16, epochs=EPOCHS.get(name, 1), lr=0.01, precision="bf16")
    ours, theirs = build(), build()
    rounded = replace(problem, train_inputs=problem.train_inputs.bfloat16(), test_inputs=problem.test_inputs.bfloat16())
    outcome = train(ours, rounded, settings)
    step = TrainingStep(theirs.train(), problem, settings)
    step.compute_model, step.parameters = theirs, step.weights
    for epoch in range(1, settings.epochs + 1):
        step.begin_epoch(epoch)
        for position in range(step.steps_per_epoch):
            step.run(position)
    assert_same_weights(weights(ours), weights(theirs))
    expected = scores(problem, predict_all(theirs, problem, "bf16"))
    assert {key: outcome.rows[-1][key] for key in expected} == expected


def test_the_learning_rate_falls_each_epoch_or_at_milestones():
    each = recipe(lr=0.1, lr_decay=0.95)
    assert [each.lr_at(epoch) for epoch in (1, 2, 3)] == pytest.approx([0.1, 0.095, 0.09025])
    marks = recipe(lr=0.1, lr_decay=0.1, lr_milestones=(150, 225))
    assert [marks.lr_at(epoch) for epoch in (1, 150, 151, 225, 226)] == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001])


def test_a_squeezed_schedule_falls_as_far_as_the_whole_one():
    """At the same share of the run the rate is the same, whatever the number of epochs."""
    for changed in ({"lr_decay": 0.95}, {"lr_decay": 0.1, "lr_milestones": (150, 225)}):
        whole = recipe(lr=0.1, epochs=300, **changed)
        squeezed = replace(whole, epochs=100, schedule_epochs=300)
        assert [squeezed.lr_at(epoch) for epoch in range(1, 101)] == [whole.lr_at(epoch) for epoch in range(1, 301, 3)]
        stretched = replace(whole, epochs=600, schedule_epochs=300)
        assert [stretched.lr_at(epoch) for epoch in range(1, 601, 2)] == [whole.lr_at(epoch) for epoch in range(1, 301)]
        assert replace(whole, schedule_epochs=300).lr_at(77) == whole.lr_at(77)


def test_loss_windows_average_a_hundred_steps_and_keep_the_rest():
    windows = loss_windows([1.0] * 100 + [0.05] * 100 + [0.001] * 50, steps_per_epoch=390)
    assert windows == [
        {"step": 100, "loss": pytest.approx(1.0)},
        {"step": 200, "loss": pytest.approx(0.05)},
        {"step": 250, "loss": pytest.approx(0.001)},
    ]
    assert first_step_below(windows, 0.1) == 200
    assert first_step_below(windows, 0.0001) is None


def test_epochs_shorter_than_a_window_are_averaged_whole():
    assert [window["step"] for window in loss_windows([1.0] * 24, steps_per_epoch=8)] == [8, 16, 24]


def test_nothing_is_extrapolated_for_a_run_that_never_fits():
    row = train(perceptron(), random_problem(), recipe(epochs=1)).rows[0] | {"train_accuracy": 0.9989}
    metrics = summarise(Outcome([row], [{"step": 10, "loss": 0.2}], diverged=False))
    assert metrics["epochs_to_fit"] is None
    assert metrics["steps_to_loss_0_1"] is None
    assert not metrics["fitted"]


def test_the_best_test_epoch_is_reported_beside_the_final_one():
    outcome = train(conv_net(), random_problem(), recipe())
    metrics = summarise(outcome)
    accuracies = [row["test_accuracy"] for row in outcome.rows]
    assert metrics["best_test_accuracy"] == max(accuracies)
    assert metrics["best_test_epoch"] == accuracies.index(max(accuracies)) + 1
    assert metrics["test_accuracy"] == accuracies[-1]
    assert all(math.isfinite(row["minibatch_loss"]) for row in outcome.rows)
