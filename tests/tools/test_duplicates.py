"""Images that stand twice are counted, and the test set reaches no training."""

from dataclasses import replace

import numpy as np
import torch

from rethinking.training.loop import train
from tests.training.problems import conv_net, random_problem, recipe
from tools.duplicates import Duplicates, count


def test_copies_are_counted_where_they_stand():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
    train_images, test_images = images[[0, 1, 2, 3, 3]], images[[2, 3, 7, 8, 8]]
    found = count(train_images, np.array([0, 1, 2, 3, 3]), test_images, np.array([2, 0, 1, 1, 1]))
    assert found == Duplicates(test_in_train=2, of_another_label=1, within_train=1, within_test=1)


def test_the_count_of_a_data_set_is_printed(run_stage, write_parameters):
    assert run_stage("fetch", "--params", write_parameters(), "--out", "raw").returncode == 0
    said = run_stage("tools.duplicates", "raw").stdout
    assert said.startswith("digits: 0 of 300 test images are training images too")


def test_another_test_set_leaves_every_bit_of_a_training_as_it_is():
    problem, weights = random_problem(), []
    other = replace(problem, test_inputs=-problem.test_inputs, test_labels=problem.test_labels.roll(1))
    for each in (problem, other):
        model = conv_net()
        outcome = train(model, each, recipe(epochs=3))
        weights.append(({name: tensor.clone() for name, tensor in model.state_dict().items()}, outcome.windows))
    (first, losses), (second, other_losses) = weights
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert losses == other_losses
