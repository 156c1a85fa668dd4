"""Small data sets made by rule: the same bytes on every machine."""

import numpy as np

from rethinking.core.arrays import ImageData, save_arrays


def image_data(train_images, train_labels, test_images, test_labels, classes=10):
    """An ImageData whose arrays are read-only, as those on disk are."""
    for array in (train_images, train_labels, test_images, test_labels):
        array.flags.writeable = False
    return ImageData(
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        train_true_labels=train_labels,
        name="synthetic",
        class_names=[str(label) for label in range(classes)],
        corruption={"kind": "none", "level": 0.0, "seed": 0},
        fingerprint="synthetic",
    )


def save_raw(folder, data):
    """Write a raw set as the stage fetch does; return the folder."""
    folder.mkdir(parents=True)
    names = ("train_images", "train_labels", "test_images", "test_labels")
    meta = {"dataset": data.name, "class_names": data.class_names}
    save_arrays(folder, {name: getattr(data, name) for name in names}, meta)
    return folder


def lit_images(count, seed, size=32):
    """Noise on a slope of light: like photographs, brighter above than below and to one side, each image its own."""
    row, column = np.mgrid[:size, :size]
    light = (4 * (size - row) + column)[..., None] + np.array([0, 10, 30])
    noise = np.random.default_rng(seed).integers(0, 90, (count, size, size, 3))
    return (light + noise - 30).clip(0, 255).astype(np.uint8)


def lit_data(train=520, test=60, size=32):
    """520 train images by default: more than one block of the corruptions' loops."""
    labels = [np.arange(count, dtype=np.int64) * 7 % 10 for count in (train, test)]
    return image_data(lit_images(train, 0, size), labels[0], lit_images(test, 1, size), labels[1])


def numbered_data(train=520, test=40, size=32):
    """Images whose every pixel holds its own place, as (row, column, row): they show where each pixel went."""
    row, column = np.mgrid[:size, :size].astype(np.uint8)
    image = np.stack([row, column, row], axis=-1)
    images = [np.repeat(image[None], count, axis=0) for count in (train, test)]
    return image_data(images[0], np.arange(train) % 10, images[1], np.arange(test) % 10)


def label_data(train=5000, test=1000, classes=10):
    """Balanced labels with images of one pixel, in an order that has nothing to do with the place."""
    labels = [np.random.default_rng(seed).permutation(np.arange(n) % classes) for seed, n in enumerate((train, test))]
    images = [np.zeros((count, 1, 1, 1), dtype=np.uint8) for count in (train, test)]
    return image_data(images[0], labels[0], images[1], labels[1], classes)
