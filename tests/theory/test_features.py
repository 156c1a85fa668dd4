"""Gabor wavelets and random-patch convolutions against their definitions, and in blocks against at once."""

import numpy as np
import pytest
import torch

from rethinking.core.errors import DataError
from rethinking.theory.kernels import features
from rethinking.theory.kernels.features import NOISE, GaborBank, RandomPatches, channels_first

CPU = torch.device("cpu")
SIZES = {"filters": 10, "block_filters": 10, "patch": 6, "pool": 14, "pool_stride": 13, "sample": 300}
PATCHES = RandomPatches(**SIZES, whitening=0.1, rectifier=0.25)


def images_of(count, seed=0, size=32, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def changed(**sizes):
    return PATCHES.model_copy(update=sizes)


def whole(patches, train, test):
    """All features at once, blocks in the order of the filters."""
    blocks = list(patches.blocks(train, test, torch.Generator().manual_seed(0)))
    return [torch.cat(part, dim=1) for part in zip(*blocks, strict=True)]


@pytest.fixture
def images():
    return channels_first(images_of(12), CPU), channels_first(images_of(5, 1), CPU)


def test_eight_features_for_each_filter_of_a_32_pixel_image(images):
    train, test = whole(PATCHES, *images)
    assert (train.shape, test.shape) == ((12, 80), (5, 80))


@pytest.mark.parametrize("block_filters", [1, 3, 7])
def test_features_in_blocks_give_the_products_of_features_at_once(images, block_filters):
    at_once, streamed = (whole(changed(block_filters=count), *images) for count in (10, block_filters))
    for left, right in zip(at_once, streamed, strict=True):
        torch.testing.assert_close(left @ at_once[0].T, right @ streamed[0].T, atol=1e-5, rtol=0)


def test_features_are_standardised_on_the_training_images_over_the_root_of_their_number(images):
    train, _ = whole(changed(block_filters=4), *images)
    torch.testing.assert_close(train.mean(dim=0), torch.zeros(80), atol=1e-5, rtol=0)
    torch.testing.assert_close(train.square().sum() / 12, torch.tensor(1.0), atol=1e-4, rtol=0)


def test_the_test_images_do_not_change_the_training_features(images):
    other = channels_first(images_of(5, 9), CPU)
    torch.testing.assert_close(whole(PATCHES, *images)[0], whole(PATCHES, images[0], other)[0], atol=0, rtol=0)


def test_a_response_is_a_whitened_filter_times_a_normalised_and_whitened_patch(images):
    train = images[0]
    filters, offsets = PATCHES.bank(train, torch.Generator().manual_seed(0))
    windows = train[:1].unfold(2, 6, 1).unfold(3, 6, 1)[0].permute(1, 2, 0, 3, 4).reshape(27, 27, 108).double()
    variance, mean = torch.var_mean(windows, dim=2, keepdim=True)
    normalised = (windows - mean) / (variance + NOISE).sqrt()
    responses = normalised @ filters.reshape(10, 108).T.double() - offsets
    pooled = [
        torch.stack(
            [
                (sign * responses - 0.25).clamp(min=0)[r : r + 14, c : c + 14].sum(dim=(0, 1))
                for r in (0, 13)
                for c in (0, 13)
            ]
        )
        for sign in (1, -1)
    ]
    expected = torch.cat([each.T.flatten() for each in pooled])
    found = PATCHES._features(train[:1], filters, offsets)[0]
    torch.testing.assert_close(found.double(), expected, atol=2e-3, rtol=1e-4)


def test_images_in_blocks_give_the_features_of_all_at_once(images, monkeypatch):
    at_once = whole(PATCHES, *images)
    monkeypatch.setattr(features, "RESPONSES_CPU", 5 * 10 * 27 * 27)
    for left, right in zip(at_once, whole(PATCHES, *images), strict=True):
        torch.testing.assert_close(left, right, atol=1e-5, rtol=0)


def test_windows_are_those_of_average_pooling_times_their_area():
    patches = changed(pool=4, pool_stride=3)
    responses = torch.from_numpy(np.random.default_rng(0).random((1, 1, 16, 11)))
    windows = torch.kron(patches._windows(21, CPU), patches._windows(16, CPU)).double()
    pooled = torch.nn.functional.avg_pool2d(responses, 4, 3) * 16
    torch.testing.assert_close(windows @ responses.flatten(), pooled.flatten())


def test_an_image_too_small_for_a_window_is_one_sentence():
    small = channels_first(images_of(12, size=16), CPU)
    with pytest.raises(DataError, match="found images 16 pixels a side, but patch 6 and pool 14 need 19"):
        whole(PATCHES, small, small)


def test_a_gabor_wavelet_answers_to_its_own_orientation_and_not_to_brightness():
    bank = GaborBank(orientations=4, wavelengths=[6.0], pool=8)
    row = np.round(127.5 + 100 * np.cos(2 * np.pi * np.arange(32) / 6))
    stripes = np.broadcast_to(row, (32, 32)).astype(np.uint8)[None, :, :, None]
    maps = bank.features(stripes, CPU).reshape(4, 7, 7)[:, 2:5, 2:5].mean(dim=(1, 2))
    assert maps.argmax() == 0
    assert maps[0] > 5 * maps[2]
    turned = bank.features(stripes.transpose(0, 2, 1, 3), CPU).reshape(4, 7, 7)[:, 2:5, 2:5].mean(dim=(1, 2))
    assert turned.argmax() == 2
    brighter = bank.features(stripes + 20, CPU).reshape(4, 7, 7)[:, 2:5, 2:5]
    darker = bank.features(stripes, CPU).reshape(4, 7, 7)[:, 2:5, 2:5]
    torch.testing.assert_close(brighter / brighter.norm(), darker / darker.norm(), atol=1e-4, rtol=0)
