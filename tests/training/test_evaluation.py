from dataclasses import replace

import pytest
import torch

from rethinking.training.evaluation import per_class_accuracy, predict, predict_all, scores
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
