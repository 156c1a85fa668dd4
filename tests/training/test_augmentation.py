"""Every augmented image is a crop of its source, standardised, drawn afresh at each step from the generator alone."""

import numpy as np
import pytest
import torch

from rethinking.training.augmentation import Augmentation
from rethinking.training.preprocessing import standardise
from tests.sources.archives import noise

CPU = torch.device("cpu")
COLOUR = torch.from_numpy(noise(0, (20, 32, 32, 3)))
GREY = torch.from_numpy(noise(1, (20, 32, 32, 1)))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def all_crops(image, size=28):
    """The 25 crops of an image (32, 32, C), from above left to below right."""
    places = range(image.shape[0] - size + 1)
    return torch.stack([image[row : row + size, column : column + size] for row in places for column in places])


def match(outputs, candidates_of):
    """For each output, which of its candidates it is; -1 where it is none."""
    found = []
    for number, output in enumerate(outputs):
        distance = (standardise(candidates_of(number)) - output).abs().amax(dim=(1, 2, 3))
        found.append(int(distance.argmin()) if distance.min() < 1e-5 else -1)
    return np.array(found)


def test_each_output_is_a_standardised_crop_of_its_own_source():
    outputs = Augmentation(28, full=False, device=CPU)(COLOUR, generator())
    assert (outputs.shape, outputs.dtype) == ((20, 28, 28, 3), torch.float32)
    crops = match(outputs, lambda number: all_crops(COLOUR[number]))
    assert (crops >= 0).all()
    assert len(set(crops)) > 5


def test_all_25_crops_are_equally_likely():
    images = COLOUR[:1].expand(2500, -1, -1, -1)
    outputs = Augmentation(28, full=False, device=CPU)(images, generator())
    corners = {tuple(crop[0, 0].tolist()): number for number, crop in enumerate(standardise(all_crops(COLOUR[0])))}
    counts = np.bincount([corners[tuple(output[0, 0].tolist())] for output in outputs], minlength=25)
    assert np.abs(counts - 100).max() < 5 * np.sqrt(100)


def test_images_of_the_input_size_stay_whole():
    assert torch.equal(Augmentation(32, full=False, device=CPU)(COLOUR, generator()), standardise(COLOUR))


def test_full_augmentation_of_grey_images_is_a_crop_flipped_half_the_time():
    outputs = Augmentation(28, full=True, device=CPU)(GREY, generator())
    which = match(outputs, lambda number: torch.cat([all_crops(GREY[number]), all_crops(GREY[number]).flip(2)]))
    assert (which >= 0).all()
    assert 0.1 < np.mean(which >= 25) < 0.9


def test_full_augmentation_of_colour_images_distorts_each_differently():
    images = COLOUR[:1].expand(8, -1, -1, -1)
    outputs = Augmentation(28, full=True, device=CPU)(images, generator())
    assert outputs.isfinite().all()
    assert outputs.mean(dim=(1, 2, 3)) == pytest.approx([0] * 8, abs=1e-5)
    assert outputs.std(dim=(1, 2, 3), correction=0) == pytest.approx([1] * 8, abs=1e-4)
    crops = torch.cat([all_crops(COLOUR[0]), all_crops(COLOUR[0]).flip(2)])
    assert (match(outputs, lambda _: crops) == -1).all()
    assert len({output.numpy().tobytes() for output in outputs}) == 8


def test_colour_distortion_leaves_grey_pixels_grey():
    grey = GREY.expand(-1, -1, -1, 3)
    outputs = Augmentation(28, full=True, device=CPU)(grey, generator())
    assert (outputs.amax(dim=3) - outputs.amin(dim=3)).max() < 0.02


@pytest.mark.parametrize("full", [False, True])
def test_a_generator_of_the_same_seed_repeats_the_draws(full):
    augmentation = Augmentation(28, full, CPU)
    torch.manual_seed(1)
    one = augmentation(COLOUR, generator())
    torch.manual_seed(2)
    assert torch.equal(one, augmentation(COLOUR, generator()))
    assert not torch.equal(one, augmentation(COLOUR, generator(1)))


@pytest.mark.parametrize("full", [False, True])
def test_every_step_draws_afresh(full):
    augmentation, stream = Augmentation(28, full, CPU), generator()
    first, second = augmentation(COLOUR, stream), augmentation(COLOUR, stream)
    assert np.mean([torch.equal(*pair) for pair in zip(first, second, strict=True)]) < 0.2


def test_the_source_images_are_left_alone():
    before = COLOUR.clone()
    Augmentation(28, full=True, device=CPU)(COLOUR, generator())
    assert torch.equal(COLOUR, before)
