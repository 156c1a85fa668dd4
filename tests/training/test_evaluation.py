from dataclasses import replace

import pytest
import torch
from torch import nn

from rethinking.training.evaluation import BATCH, per_class_accuracy, predict, predict_all, scores
from rethinking.training.loop import train
from tests.training.problems import conv_net, random_problem, recipe


def test_predictions_do_not_depend_on_the_rest_of_the_batch_nor_on_dropout():
    model, problem = conv_net(), random_problem()
    model.train()
    together, losses = predict(model, problem.train_inputs, problem.train_labels, "float32")
    alone = [
        predict(model, problem.train_inputs[index : index + 1], problem.train_labels[index : index + 1], "float32")
        for index in range(10)
    ]
    assert together[:10].tolist() == [prediction.item() for prediction, _ in alone]
    torch.testing.assert_close(losses[:10], torch.cat([loss for _, loss in alone]))


class Limited(nn.Module):
    """A network on a device that has no memory for more than so many images in a pass; `taken` are those that fit."""

    def __init__(self, most):
        super().__init__()
        self.network, self.most, self.taken = conv_net(), most, []

    def forward(self, images):
        if not self.training:
            if len(images) > self.most:
                raise torch.OutOfMemoryError("no memory")
            self.taken.append(len(images))
        return self.network(images)


@pytest.mark.parametrize("most", [40, 1])
def test_where_memory_is_short_smaller_batches_give_the_same_predictions(most, capsys, monkeypatch):
    monkeypatch.setitem(BATCH, "cpu", 64)
    model, problem = Limited(10**6), random_problem()
    expected = predict_all(model, problem, "float32")
    assert capsys.readouterr().err == ""
    model.most, model.taken = most, []
    found = predict_all(model, problem, "float32")
    size = {40: 32, 1: 1}[most]
    assert sum(model.taken) == 72 + 30
    assert max(model.taken) == size
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning == (f"warning: no memory on the device to evaluate 64 images at a time; from now on {size} are")
    assert torch.equal(found.train, expected.train)
    assert torch.equal(found.test, expected.test)
    torch.testing.assert_close(found.train_losses, expected.train_losses)
    torch.testing.assert_close(found.test_losses, expected.test_losses)
    assert model.training


def test_a_run_keeps_the_batch_that_its_memory_allowed(capsys):
    model, problem = Limited(20), random_problem(size=300)
    outcome = train(model, problem, recipe())
    assert len(outcome.rows) == 4
    assert capsys.readouterr().err.count("warning") == 1
    assert max(model.taken) == 15  # 250, halved four times


def test_an_image_that_does_not_fit_alone_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        predict_all(Limited(0), random_problem(), "float32")


def test_evaluation_changes_nothing_in_the_model():
    model, problem = conv_net(), random_problem()
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    predict_all(model, problem, "float32")
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_scores_are_the_definitions_written_out():
    model, problem = conv_net(), random_problem()
    # Trained a little on the given labels, so that no two of the accuracies are equal by chance.
    train(model, problem, recipe(epochs=3))
    predictions = predict_all(model, problem, "float32")
    found = scores(problem, predictions)
    triples = list(
        zip(predictions.train.tolist(), problem.train_labels.tolist(), problem.train_true_labels.tolist(), strict=True)
    )
    corrupted = [(guess, given, true) for guess, given, true in triples if given != true]
    clean = [(guess, given) for guess, given, true in triples if given == true]
    assert found["train_accuracy"] == pytest.approx(sum(guess == given for guess, given, _ in triples) / len(triples))
    assert found["clean_subset_accuracy"] == pytest.approx(sum(guess == given for guess, given in clean) / len(clean))
    assert found["corrupted_subset_accuracy"] == pytest.approx(
        sum(guess == given for guess, given, _ in corrupted) / len(corrupted)
    )
    assert found["recovered_true_accuracy"] == pytest.approx(
        sum(guess == true for guess, _, true in corrupted) / len(corrupted)
    )
    true_share = sum(guess == true for guess, _, true in triples) / len(triples)
    assert found["train_accuracy"] != pytest.approx(true_share), "the test would not tell them apart"
    assert found["train_loss"] == pytest.approx(predictions.train_losses.double().mean().item())


def test_an_empty_subset_has_no_accuracy():
    problem = random_problem()
    clean = replace(problem, train_true_labels=problem.train_labels)
    found = scores(clean, predict_all(conv_net(), clean, "float32"))
    assert found["corrupted_subset_accuracy"] is None
    assert found["recovered_true_accuracy"] is None
    assert found["clean_subset_accuracy"] == found["train_accuracy"]


def test_accuracy_per_class_counts_each_class_alone():
    labels = torch.tensor([0, 0, 1, 1, 1, 3])
    predictions = torch.tensor([0, 1, 1, 1, 0, 3])
    assert per_class_accuracy(predictions, labels, 4) == [0.5, pytest.approx(2 / 3), None, 1.0]
