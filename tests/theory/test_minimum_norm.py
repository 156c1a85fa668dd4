"""Gradient descent from zero finds the interpolant of least norm; random signs are fitted from D = n on."""

import numpy as np
import pytest
import torch

from rethinking.theory.minimum_norm import (
    draw_cosines,
    fit_random_signs,
    gradient_descent,
    invisible_part,
    least_squares_solution,
    minimum_norm_solution,
    stochastic_gradient_descent,
)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def problem(generator):
    features = torch.randn((30, 200), dtype=torch.float64, generator=generator)
    return features, torch.randn((30, 3), dtype=torch.float64, generator=generator)


def last(run):
    return list(run)[-1]


def test_the_closed_form_is_the_pseudo_inverse(problem):
    features, targets = problem
    expected = np.linalg.pinv(features.numpy()) @ targets.numpy()
    np.testing.assert_allclose(minimum_norm_solution(features, targets).numpy(), expected, atol=1e-12)


def test_least_squares_is_the_pseudo_inverse_of_a_tall_matrix_too(problem):
    features = problem[0][:, :10]
    expected = np.linalg.pinv(features.numpy()) @ problem[1].numpy()
    np.testing.assert_allclose(least_squares_solution(features, problem[1]).numpy(), expected, atol=1e-12)


def test_both_kinds_of_gradient_descent_from_zero_end_at_the_least_norm(problem, generator):
    least = minimum_norm_solution(*problem)
    start = torch.zeros_like(least)
    torch.testing.assert_close(last(gradient_descent(*problem, start, 400)), least, atol=1e-9, rtol=0)
    end = last(stochastic_gradient_descent(*problem, start, 800, 7, generator))
    torch.testing.assert_close(end, least, atol=1e-7, rtol=0)


def test_descent_from_elsewhere_keeps_the_part_that_the_data_do_not_see_and_is_longer(problem, generator):
    features, targets = problem
    start = torch.randn((200, 3), dtype=torch.float64, generator=generator)
    least = minimum_norm_solution(features, targets)
    end = last(gradient_descent(features, targets, start, 400))
    torch.testing.assert_close(features @ end, targets, atol=1e-8, rtol=0)
    torch.testing.assert_close(end, least + invisible_part(features, start), atol=1e-8, rtol=0)
    assert end.norm() > least.norm()


def test_random_signs_are_fitted_as_well_as_the_number_of_features_allows(generator):
    features = torch.randn((400, 1000), dtype=torch.float64, generator=generator)
    for count in (4, 100, 300):
        complexity, accuracy = fit_random_signs(features[:, :count], 50, generator)
        assert complexity.mean().item() == pytest.approx((count / 400) ** 0.5, abs=0.03)
        assert accuracy.mean() < 1
    for count in (400, 1000):
        complexity, accuracy = fit_random_signs(features[:, :count], 5, generator)
        torch.testing.assert_close(complexity, torch.ones_like(complexity))
        assert (accuracy == 1).all()


def test_many_cosines_approximate_the_gaussian_kernel(generator):
    inputs = torch.rand((20, 6), dtype=torch.float64, generator=generator)
    features = draw_cosines(6, 200_000, 0.7, generator)(inputs)
    expected = torch.exp(-0.7 * torch.cdist(inputs, inputs).square())
    torch.testing.assert_close(features @ features.T, expected, atol=0.02, rtol=0)
