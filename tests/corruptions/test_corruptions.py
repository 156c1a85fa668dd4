"""Each corruption does what section 2.1 of the paper says, is fixed by its seed, and is the same on every machine."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethinking.corruptions import gaussian, labels, none, random_pixels, shuffled_pixels
from rethinking.corruptions.common.request import Request
from rethinking.sources import digits
from tests.synthetic import image_data, label_data, lit_data, numbered_data

DATA = lit_data()
LABELS = label_data()
KINDS = {
    "none": none,
    "labels": labels,
    "shuffled_pixels": shuffled_pixels,
    "random_pixels": random_pixels,
    "gaussian": gaussian,
}
DRAWN = [kind for kind in KINDS if kind != "none"]
small = settings(max_examples=20, deadline=None, derandomize=True)
levels, seeds = st.floats(0, 1), st.integers(0, 2**63 - 1)


def digest(arrays):
    whole = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        whole.update(f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


GOLDEN = {
    "none": "3d2877d20d1612ba9713fa716e7617feba1c59535b063fb4bbdf4ec9bdc29421",
    "labels": "17428237530b8b6a0dbd331f91a99fdc7d6780c1955671c5ba2648fd5934fe3e",
    "shuffled_pixels": "411df12b116909e76e1b8037b64e3541c533b660918bbd4c52f6994c6b737580",
    "random_pixels": "accd9a73f8b3feff362f5789ca65e24835846e5d1df582ad406f94b79778b2d0",
    "gaussian": "e256164d4f1b8ef9111caaf5233dbcc6f0b90e7c0bbd6d31d6fcca54273662c2",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_bytes_are_the_same_on_every_machine(kind):
    assert digest(KINDS[kind].corrupt(DATA, Request(0.5, 3, 28, test_labels=True))) == GOLDEN[kind]


@pytest.mark.parametrize("kind", DRAWN)
def test_another_seed_gives_other_arrays(kind):
    one, other = (KINDS[kind].corrupt(DATA, Request(0.5, seed, 28, test_labels=True)) for seed in (0, 1))
    assert all((one[name] != other[name]).any() for name in one if "true" not in name)


@pytest.mark.parametrize("kind", KINDS)
def test_honest_corruptions_of_real_images_pass_their_audit(kind):
    raw = digits.read("official", None)
    data = image_data(raw.train_images, raw.train_labels, raw.test_images, raw.test_labels)
    request = Request(0.5, 1, 28)
    audit = KINDS[kind].audit(data, KINDS[kind].corrupt(data, request), request)
    assert audit["ok"], audit


@given(level=levels, seed=seeds, classes=st.integers(2, 20))
@small
def test_honest_labels_pass_their_audit(level, seed, classes):
    data, request = label_data(classes=classes), Request(level, seed, 28, test_labels=True)
    audit = labels.audit(data, labels.corrupt(data, request), request)
    assert audit["ok"], audit
    assert audit["expected_changed"] == pytest.approx(level * (1 - 1 / classes))


@given(first=levels, second=levels, seed=seeds)
@small
def test_a_higher_level_keeps_every_change_of_a_lower_one(first, second, seed):
    low, high = (labels.corrupt(LABELS, Request(level, seed, 28))["train_labels"] for level in sorted((first, second)))
    changed = low != LABELS.train_labels
    assert np.array_equal(high[changed], low[changed])


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_the_share_of_changed_labels_counts_redrawn_old_ones(classes, level):
    data = label_data(train=50_000, classes=classes)
    new = labels.corrupt(data, Request(level, 0, 28))["train_labels"]
    expected = level * (1 - 1 / classes)
    assert np.mean(new != data.train_labels) == pytest.approx(expected, abs=5 * np.sqrt(0.25 / 50_000) * (level > 0))
    assert new.dtype == np.int64
    assert set(new) == set(range(classes))


def test_random_labels_are_uniform_whatever_the_true_one():
    data = label_data(train=50_000)
    new = labels.corrupt(data, Request(1.0, 0, 28))["train_labels"]
    for label in range(10):
        counts = np.bincount(new[data.train_labels == label], minlength=10)
        assert np.abs(counts - 500).max() < 6 * np.sqrt(500)


def test_test_labels_stay_clean_by_default():
    assert set(labels.corrupt(LABELS, Request(1.0, 0, 28))) == {"train_labels"}


def test_test_labels_are_corrupted_on_request_by_a_draw_of_their_own():
    changed = labels.corrupt(LABELS, Request(1.0, 0, 28, test_labels=True))
    assert np.array_equal(changed["test_true_labels"], LABELS.test_labels)
    assert np.mean(changed["test_labels"] != LABELS.test_labels) == pytest.approx(0.9, abs=0.05)
    assert np.mean(changed["test_labels"] == changed["train_labels"][:1000]) == pytest.approx(0.1, abs=0.05)
    assert np.array_equal(changed["train_labels"], labels.corrupt(LABELS, Request(1.0, 0, 28))["train_labels"])


def places(images):
    """Where each pixel of numbered images came from: (N, pixels), as row * 32 + column."""
    rows, columns, same_rows = np.moveaxis(images.reshape(len(images), -1, 3).astype(int), -1, 0)
    assert np.array_equal(rows, same_rows), "the channels of a pixel moved apart"
    return rows * 32 + columns


CENTRE = np.sort((np.arange(2, 30)[:, None] * 32 + np.arange(2, 30)).ravel())


@pytest.mark.parametrize("kind", ["shuffled_pixels", "random_pixels"])
@pytest.mark.parametrize(("size", "kept"), [(28, CENTRE), (32, np.arange(1024))])
def test_every_image_keeps_all_pixels_of_its_centre_crop(kind, size, kept):
    changed = KINDS[kind].corrupt(numbered_data(), Request(1.0, 0, size))
    assert changed["train_images"].shape == (520, size, size, 3)
    for images in changed.values():
        assert (np.sort(places(images), axis=1) == kept).all()


def test_shuffled_pixels_move_all_images_alike():
    changed = shuffled_pixels.corrupt(numbered_data(), Request(1.0, 0, 28))
    orders = np.concatenate([places(changed[name]) for name in ("train_images", "test_images")])
    assert (orders == orders[0]).all()
    assert np.mean(orders[0] == CENTRE) < 0.02


def test_random_pixels_move_every_image_by_an_order_of_its_own():
    changed = random_pixels.corrupt(numbered_data(), Request(1.0, 0, 28))
    orders = np.concatenate([places(changed[name]) for name in ("train_images", "test_images")])
    assert len({order.tobytes() for order in orders}) == len(orders)
    assert np.abs(np.mean(orders == CENTRE, axis=1) - 1 / 784).max() < 0.02


def test_gaussian_images_have_the_moments_of_the_cropped_training_images():
    changed = gaussian.corrupt(DATA, Request(1.0, 0, 28))
    crop = DATA.train_images[:, 2:30, 2:30].astype(float)
    for name in ("train_images", "test_images"):
        found = changed[name].astype(float)
        assert found.shape == getattr(DATA, name).shape[:1] + (28, 28, 3)
        assert found.mean(axis=(0, 1, 2)) == pytest.approx(crop.mean(axis=(0, 1, 2)), rel=0.01)
        assert found.std(axis=(0, 1, 2)) == pytest.approx(crop.std(axis=(0, 1, 2)), rel=0.01)
        assert found.min() < 0


def test_gaussian_pixels_are_independent_of_image_place_and_channel():
    noise = gaussian.corrupt(DATA, Request(1.0, 0, 28))["train_images"].astype(float)
    for other in (np.roll(noise, 1, axis=axis) for axis in range(4)):
        assert abs(np.corrcoef(noise[..., 0].ravel(), other[..., 0].ravel())[0, 1]) < 0.01
