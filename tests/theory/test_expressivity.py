"""Theorem 1: any labels are fitted, in memory that grows with n, and the closed forms agree with the matrix."""

import tracemalloc

import numpy as np
import pytest
import torch

from rethinking.core.errors import DataError
from rethinking.theory.expressivity import (
    DeepNetwork,
    TwoLayerNetwork,
    condition_number,
    deep_units,
    evaluate,
    project,
    random_direction,
    two_layer_units,
)


def images_of(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 5, 5, 3), dtype=np.uint8)


def matrix_of(projections, thresholds):
    return np.maximum(np.sort(projections)[:, None] - thresholds, 0)


@pytest.mark.parametrize("count", [1, 2, 3, 50, 301])
def test_the_weights_solve_the_triangular_system(count):
    generator = np.random.default_rng(count)
    projections, targets = generator.standard_normal(count), generator.standard_normal(count)
    units = two_layer_units(projections, targets)
    matrix = matrix_of(projections, units.thresholds)
    assert (np.triu(matrix, 1) == 0).all()
    assert (np.diag(matrix) > 0).all()
    expected = np.linalg.solve(matrix, targets[np.argsort(projections)])
    np.testing.assert_allclose(units.weights, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_the_condition_number_is_that_of_the_matrix(count):
    projections = np.random.default_rng(count).standard_normal(count)
    thresholds = two_layer_units(projections, np.zeros(count)).thresholds
    expected = np.linalg.cond(matrix_of(projections, thresholds), np.inf)
    assert condition_number(projections) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["labels", "real"])
@pytest.mark.parametrize("layers", [1, 2, 7, 400, 500])
def test_random_targets_are_fitted_at_any_depth(kind, layers):
    generator = np.random.default_rng(3)
    images = images_of(400)
    targets = generator.integers(0, 10, 400) if kind == "labels" else generator.standard_normal(400)
    direction = random_direction(75, generator)
    projections = project(images, direction)
    if layers == 1:
        network = TwoLayerNetwork(direction, two_layer_units(projections, targets))
        assert sum(parameter.numel() for parameter in network.parameters()) == 2 * 400 + 75
    else:
        units = deep_units(projections, targets, layers)
        assert max(len(each.weights) for each in units) <= -(-400 // layers) + 1
        network = DeepNetwork(direction, units)
        assert sum(parameter.numel() for parameter in network.parameters()) <= 2 * (400 + layers) + 75
    values = evaluate(network, images, 400)
    assert np.abs(values - targets).max() < 1e-7


def test_two_layers_and_several_are_the_same_function_between_the_points():
    generator = np.random.default_rng(5)
    images, others, targets = images_of(60), images_of(60, seed=1), generator.standard_normal(60)
    direction = random_direction(75, generator)
    projections = project(images, direction)
    inside = (project(others, direction) > projections.min()) & (project(others, direction) < projections.max())
    shallow = TwoLayerNetwork(direction, two_layer_units(projections, targets))
    deep = DeepNetwork(direction, deep_units(projections, targets, 4))
    values = [evaluate(network, others[inside], 60) for network in (shallow, deep)]
    np.testing.assert_allclose(*values, atol=1e-8)


def test_memory_grows_with_the_number_of_points_and_not_with_its_square():
    generator = np.random.default_rng(0)
    projections, targets = generator.standard_normal(50_000), generator.integers(0, 10, 50_000)
    tracemalloc.start()
    units = two_layer_units(projections, targets)
    condition_number(projections)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 8 * 50_000  # twenty vectors; the matrix would take 20 GB
    network = TwoLayerNetwork(np.ones(1), units)
    with torch.inference_mode():
        some = generator.choice(50_000, 500, replace=False)
        values = network(torch.from_numpy(projections[some, None])).numpy()
    assert (np.rint(values) == targets[some]).all()


def test_equal_images_are_refused_by_name():
    images = images_of(20)
    images[13] = images[4]
    projections = project(images, random_direction(75, np.random.default_rng(0)))
    with pytest.raises(DataError, match=r"images 4 and 13 have the same projection"):
        two_layer_units(projections, np.arange(20))
