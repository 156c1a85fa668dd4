"""Inputs follow the paper: centre crop, then each image standardised by TensorFlow's per_image_whitening."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rethinking.core.crop import centre_crop
from rethinking.training.preprocessing import BLOCK, network_inputs, standardise
from tests.sources.archives import noise

CPU = torch.device("cpu")


def whitened(images):
    """The formula in float64: (x - mean) / max(std, 1/sqrt(number of elements)), per image, of pixels in [0, 1]."""
    pixels = images.astype(np.float64).reshape(len(images), -1) / 255
    floor = 1 / np.sqrt(pixels.shape[1])
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    return (centred / np.maximum(pixels.std(axis=1, keepdims=True), floor)).reshape(images.shape)


@given(side=st.integers(1, 40), channels=st.sampled_from([1, 3]), seed=st.integers(0, 99), contrast=st.integers(1, 255))
@example(side=28, channels=3, seed=0, contrast=1)  # constant images, which become zero
@example(side=28, channels=3, seed=0, contrast=2)  # faint ones, whose std is below the floor
@settings(max_examples=40, deadline=None, derandomize=True)
def test_images_are_standardised_by_the_formula(side, channels, seed, contrast):
    images = noise(seed, (3, side, side, channels)) % contrast
    assert standardise(torch.from_numpy(images)).numpy() == pytest.approx(whitened(images), abs=2e-5)


def test_half_precision_images_are_standardised_alike():
    images = noise(0, (2, 28, 28, 3))
    assert torch.equal(standardise(torch.from_numpy(images.astype(np.float16))), standardise(torch.from_numpy(images)))


@pytest.mark.parametrize(("width", "size", "first"), [(32, 28, 2), (32, 32, 0), (33, 28, 2), (28, 27, 0)])
def test_the_crop_is_central(width, size, first):
    images = np.arange(width * width).reshape(1, width, width, 1)
    expected = images[:, first : first + size, first : first + size]
    assert np.array_equal(centre_crop(images, size), expected)


def test_network_inputs_are_cropped_before_they_are_standardised():
    images = noise(0, (4, 32, 32, 3))
    images[:, :2], images[:, 30:], images[:, :, :2], images[:, :, 30:] = 255, 255, 255, 255
    inputs = network_inputs(images, 28, CPU)
    assert (inputs.shape, inputs.dtype) == ((4, 28, 28, 3), torch.float32)
    assert inputs.numpy() == pytest.approx(whitened(images[:, 2:30, 2:30]), abs=2e-5)
    assert torch.equal(network_inputs(images, 28, CPU, "bf16"), inputs.bfloat16())


def test_blocks_do_not_show():
    images = noise(0, (BLOCK + 3, 4, 4, 1))
    assert network_inputs(images, 4, CPU).numpy() == pytest.approx(whitened(images), abs=2e-5)
