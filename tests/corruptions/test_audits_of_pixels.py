"""The audits of pixels fail for what earlier reproductions got wrong (paper notes, section 12).

A forgery is a function (images, generator) -> images that such a reproduction would have applied to both splits.
"""

import numpy as np
import pytest

from rethinking.corruptions import gaussian, random_pixels, shuffled_pixels
from rethinking.corruptions.common.request import Request
from tests.synthetic import lit_data

DATA = lit_data()
REQUEST = Request(1.0, 0, 28)
SPLITS = ("train_images", "test_images")
rng = np.random.default_rng


def crop(images):
    return images[:, 2:30, 2:30]


def in_one_order(images, order):
    return images.reshape(len(images), -1, 3)[:, order].reshape(images.shape)


def in_own_orders(images, generator):
    flat = images.reshape(len(images), -1, 3)
    return np.stack([image[generator.permutation(len(image))] for image in flat]).reshape(images.shape)


def rows_in_own_orders(images, generator):
    return np.stack([image[generator.permutation(len(image))] for image in images])


def all_but_some(images, generator):
    """One image in fifty stays as it was."""
    moved = in_own_orders(images, generator)
    moved[::50] = images[::50]
    return moved


def channels_apart(images, orders):
    """Channels by orders (3, pixels), the same for all images."""
    return np.stack([in_one_order(images, order)[..., channel] for channel, order in enumerate(orders)], axis=-1)


def normal(images, generator, shift=0.0, stretch=1.0):
    target = crop(DATA.train_images).astype(float)
    mean, std = target.mean(axis=(0, 1, 2)) + shift, target.std(axis=(0, 1, 2)) * stretch
    return generator.normal(mean, std, crop(images).shape).astype(np.float16)


ORDERS = [rng(seed).permutation(784) for seed in range(3)]
WIDE_ORDER = rng(0).permutation(1024)
PLACES = np.arange(784).reshape(28, 28)
ROWS = PLACES[rng(0).permutation(28)].ravel()
COLUMNS = PLACES[:, rng(0).permutation(28)].ravel()

SHUFFLED = {
    "nothing moved": lambda images, g: crop(images),
    "another order for the test images": lambda images, g: in_one_order(crop(images), g.permutation(784)),
    "an order for each image": lambda images, g: in_own_orders(crop(images), g),
    "permuted, then cropped": lambda images, g: crop(in_one_order(images, WIDE_ORDER)),
    "rows only, each image its own": lambda images, g: rows_in_own_orders(crop(images), g),
    "rows only, all images alike": lambda images, g: in_one_order(crop(images), ROWS),
    "columns only, all images alike": lambda images, g: in_one_order(crop(images), COLUMNS),
    "channels apart": lambda images, g: channels_apart(crop(images), ORDERS),
}
RANDOM = {
    "nothing moved": lambda images, g: crop(images),
    "one order for all": lambda images, g: in_one_order(crop(images), ORDERS[0]),
    "rows only": lambda images, g: rows_in_own_orders(crop(images), g),
    "permuted, then cropped": lambda images, g: crop(in_own_orders(images, g)),
    "one image in fifty untouched": lambda images, g: all_but_some(crop(images), g),
    "drawn uniformly": lambda images, g: g.integers(0, 256, crop(images).shape, dtype=np.uint8),
    "channels apart": lambda images, g: in_own_orders(channels_apart(crop(images), ORDERS), g),
}
GAUSSIAN = {
    "nothing drawn": lambda images, g: crop(images).astype(np.float16),
    "clipped": lambda images, g: normal(images, g).clip(0, 255),
    "clipped to bytes": lambda images, g: normal(images, g).clip(0, 255).astype(np.uint8),
    "another mean": lambda images, g: normal(images, g, shift=1.0),
    "another variance": lambda images, g: normal(images, g, stretch=1.02),
    "the moments of standardised images": lambda images, g: g.normal(0, 1, crop(images).shape).astype(np.float16),
    "moments of no channel": lambda images, g: normal(images, g, shift=[10, 3, -13]),
    "one image repeated": lambda images, g: np.repeat(normal(images[:1], g), len(images), axis=0),
}
FORGERIES = {
    f"{module.__name__.rpartition('.')[2]}: {name}": (module, forge)
    for module, forgeries in ((shuffled_pixels, SHUFFLED), (random_pixels, RANDOM), (gaussian, GAUSSIAN))
    for name, forge in forgeries.items()
}


def audit(module, forge):
    arrays = {name: forge(getattr(DATA, name), rng(seed)) for seed, name in enumerate(SPLITS)}
    return module.audit(DATA, arrays, REQUEST)


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_fails(name):
    finding = audit(*FORGERIES[name])
    assert not finding["ok"], finding["checks"]


def test_the_same_done_right_passes():
    findings = [
        audit(shuffled_pixels, lambda images, g: in_one_order(crop(images), ORDERS[0])),
        audit(random_pixels, lambda images, g: in_own_orders(crop(images), g)),
        audit(gaussian, normal),
    ]
    assert all(finding["ok"] for finding in findings), findings


@pytest.mark.parametrize("module", [shuffled_pixels, random_pixels, gaussian])
def test_untouched_test_images_fail(module):
    corrupted = module.corrupt(DATA, REQUEST)
    clean = crop(DATA.test_images).astype(corrupted["test_images"].dtype)
    assert module.audit(DATA, corrupted, REQUEST)["ok"]
    assert not module.audit(DATA, {**corrupted, "test_images": clean}, REQUEST)["ok"]
