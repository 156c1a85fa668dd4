"""The embedded digits, MNIST's idx files and seeded subsets."""

import gzip
import hashlib
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from rethinking.core import config
from rethinking.core.errors import DataError, UsageError
from rethinking.sources import digits, mnist
from tests.sources.archives import cut

DIGITS = digits.read("official", None)


def test_digits_have_the_form_of_cifar10():
    assert DIGITS.train_images.shape == (1497, 32, 32, 3)
    assert DIGITS.test_images.shape == (300, 32, 32, 3)
    assert DIGITS.train_images.dtype == np.uint8
    assert DIGITS.train_labels.dtype == DIGITS.test_labels.dtype == np.int64
    assert DIGITS.class_names == list("0123456789")


def test_digits_are_scikit_learns_enlarged_four_times():
    images = np.concatenate([DIGITS.train_images, DIGITS.test_images])
    small = images[:, ::4, ::4, :1]
    assert np.array_equal(images, np.broadcast_to(small.repeat(4, axis=1).repeat(4, axis=2), images.shape))
    found = {image.tobytes() for image in np.rint(small[..., 0] * (16 / 255)).astype(np.uint8)}
    assert found == {image.tobytes() for image in load_digits().images.astype(np.uint8)}
    assert (images.min(), images.max()) == (0, 255)


def test_the_digits_test_set_is_the_last_30_of_each_class():
    assert np.bincount(DIGITS.test_labels).tolist() == [30] * 10
    real = load_digits()
    for label in range(10):
        last = real.images[real.target == label][-30:]
        assert np.array_equal(DIGITS.test_images[DIGITS.test_labels == label][:, ::4, ::4, 0], np.rint(last * 255 / 16))


def test_digits_take_no_path():
    with pytest.raises(UsageError, match=r"dataset\.source: found 'x\.tar'; .* 'official'"):
        digits.read("x.tar", None)


@given(size=st.integers(1, 300), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_a_subset_is_balanced_in_original_order_and_repeatable(size, seed):
    subset = DIGITS.subset(size, None, seed)
    counts = np.bincount(subset.train_labels, minlength=10)
    assert counts.sum() == size == len(subset.train_images)
    assert counts.max() - counts.min() <= 1
    places = {image.tobytes(): place for place, image in enumerate(DIGITS.train_images)}
    order = [places[image.tobytes()] for image in subset.train_images]
    assert order == sorted(set(order))
    assert np.array_equal(subset.train_labels, DIGITS.train_labels[order])
    assert np.array_equal(subset.train_images, DIGITS.subset(size, None, seed).train_images)
    assert np.array_equal(subset.test_images, DIGITS.test_images)


def test_seeds_choose_other_subsets():
    one, other = (DIGITS.subset(100, 100, seed) for seed in (0, 1))
    assert not np.array_equal(one.train_images, other.train_images)
    assert not np.array_equal(one.test_images, other.test_images)


@pytest.mark.parametrize(("train", "test", "key"), [(1498, None, "train_size"), (None, 301, "test_size")])
def test_a_subset_too_large_names_the_key_and_the_most_that_is_possible(train, test, key):
    with pytest.raises(UsageError, match=rf"dataset\.{key}: found {train or test}, .* at most \d+") as caught:
        DIGITS.subset(train, test, 0)
    most = int(re.findall(r"\d+", str(caught.value))[-1])
    assert len(DIGITS.subset(most, None, 0).train_labels if train else DIGITS.subset(None, most, 0).test_labels) == most
    with pytest.raises(UsageError):
        DIGITS.subset(most + 1, None, 0) if train else DIGITS.subset(None, most + 1, 0)


def test_mnist_is_read_from_its_four_files(real_data):
    data = mnist.read(str(real_data("mnist")), None)
    assert (data.name, data.source_kind) == ("mnist", "official idx files")
    assert data.train_images.shape == (60_000, 28, 28, 1)
    assert data.test_images.shape == (10_000, 28, 28, 1)
    assert data.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert round(data.train_images.mean(), 4) == 33.3184
    assert config.OFFICIAL["mnist"] == (60_000, 28, 1)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dash", ["-", "."])
def test_mnists_idx_files_are_read_as_they_are_written(tmp_path, monkeypatch, packed, dash):
    """Made-up ones of the official form, whose checksums stand in for the official ones."""
    generator, arrays = np.random.default_rng(0), {}
    for part, count in (("train", 20), ("t10k", 10)):
        arrays[f"{part}-images-idx3-ubyte"] = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = np.arange(count, dtype=np.uint8) % 10
    for name, array in arrays.items():
        content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
        monkeypatch.setitem(mnist.IDX_FILES, name, hashlib.md5(content).hexdigest())
        copy = tmp_path / (name.replace("-idx", f"{dash}idx") + ".gz" * packed)
        copy.write_bytes(gzip.compress(content) if packed else content)
    data = mnist.read(str(tmp_path), None)
    assert np.array_equal(data.train_images[..., 0], arrays["train-images-idx3-ubyte"])
    assert np.array_equal(data.test_images[..., 0], arrays["t10k-images-idx3-ubyte"])
    assert data.train_images.dtype == np.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    assert data.train_labels.tolist() == [*range(10), *range(10)]
    assert data.test_labels.tolist() == [*range(10)]
    assert data.class_names == list("0123456789")


def test_mnist_files_cut_short_are_refused(tmp_path):
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(np.random.default_rng(0).bytes(10_008)))
    with pytest.raises(DataError, match=r"'t10k-labels-idx1-ubyte\.gz' is damaged or cut short"):
        mnist.read(str(cut(path).parent), None)
