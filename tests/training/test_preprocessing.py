"""Inputs follow the paper: centre crop, then each image standardised by TensorFlow's per_image_whitening."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
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
@settings(max_examples=40, deadline=None, derandomize=True)
def test_images_are_standardised_by_the_formula(side, channels, seed, contrast):
    images = noise(seed, (3, side, side, channels)) % contrast
    assert standardise(torch.from_numpy(images)).numpy() == pytest.approx(whitened(images), abs=2e-5)


def test_every_image_gets_mean_0_and_std_1_whatever_its_neighbours():
    images = noise(0, (3, 28, 28, 3)) // np.array([1, 2, 8], dtype=np.uint8)[:, None, None, None]
    inputs = standardise(torch.from_numpy(images))
    assert inputs.mean(dim=(1, 2, 3)) == pytest.approx([0, 0, 0], abs=1e-5)
    assert inputs.std(dim=(1, 2, 3), correction=0) == pytest.approx([1, 1, 1], abs=1e-5)
    assert torch.equal(inputs[1:2], standardise(torch.from_numpy(images[1:2])))


def test_a_constant_image_becomes_zero_and_a_faint_one_meets_the_floor():
    images = np.full((2, 28, 28, 3), 77, dtype=np.uint8)
    images[1, 0, 0, 0] = 78
    constant, faint = standardise(torch.from_numpy(images))
    assert not constant.any()
    # The std of the faint image, 1/255/sqrt(2352), is below the floor of 1/sqrt(2352), which divides instead.
    assert faint.max() == pytest.approx((1 - 1 / 2352) / 255 * np.sqrt(2352), rel=1e-3)


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


def test_blocks_do_not_show():
    images = noise(0, (BLOCK + 3, 4, 4, 1))
    assert network_inputs(images, 4, CPU).numpy() == pytest.approx(whitened(images), abs=2e-5)
