"""What the network sees of an image, and in which order: the same for any number of workers and after any restart."""

import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from rethinking.core.errors import DataError
from rethinking.imagenet.common.config import Dataset
from rethinking.imagenet.common.index import open_index
from rethinking.imagenet.scan import scan
from rethinking.imagenet.training import transforms
from rethinking.imagenet.training.loader import Images, TrainingOrder, batches, order
from rethinking.imagenet.training.transforms import augmented, centre_crop, draws, jittered, network_input, random_box
from tests.imagenet.image_sets import image_files
from tests.sources.archives import write_folder
from tests.stage_processes import ROOT

IMAGES = 100


def picture(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None, :]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Sixteen training images."""
    folder = tmp_path_factory.mktemp("images")
    source = write_folder(folder / "images", image_files())
    (folder / "index").mkdir()
    scan(Dataset(source=str(source)), folder / "index")
    return open_index(folder / "index", source).train


@pytest.mark.parametrize(("width", "height"), [(100, 100), (200, 80), (75, 300)])
def test_the_centre_crop_keeps_seven_eighths_of_each_side_whatever_the_aspect(width, height):
    pixels = centre_crop(picture(width, height), 75).astype(float)
    assert pixels.shape == (75, 75, 3)
    for channel, axis in ((0, 0), (1, 1)):
        means = pixels[..., channel].mean(axis=axis)
        assert means[0] == pytest.approx(255 / 16, abs=4)
        assert means[-1] == pytest.approx(255 * 15 / 16, abs=4)


def test_random_boxes_lie_in_the_image_and_have_the_areas_and_aspects_asked_for():
    random = np.random.default_rng(0)
    for width, height in ((500, 375), (64, 64), (2000, 30)):
        boxes = np.array([random_box(width, height, random) for _ in range(500)])
        left, top, right, bottom = boxes.T
        assert left.min() >= 0
        assert top.min() >= 0
        assert right.max() <= width
        assert bottom.max() <= height
        whole = (right - left == width) & (bottom - top == height)
        sides = (right - left)[~whole], (bottom - top)[~whole]
        aspect, share = sides[0] / sides[1], sides[0] * sides[1] / (width * height)
        if width < 2000:  # of so wide an image no part that is large enough has the aspect
            assert 0.7 < aspect.min() < 0.85
            assert 1.2 < aspect.max() < 1.4
            assert 0.04 < share.min() < 0.1
            assert share.max() > 0.8


def test_an_augmented_image_depends_on_seed_epoch_and_number_alone():
    image = picture(90, 80)

    def pixels(seed: int, epoch: int, number: int) -> bytes:
        return augmented(image, 75, draws(seed, epoch, number)).tobytes()

    first = pixels(0, 1, 2)
    pixels(5, 5, 5)
    assert pixels(0, 1, 2) == first
    assert len({first, pixels(1, 1, 2), pixels(0, 2, 2), pixels(0, 1, 3)}) == 4


def test_half_of_the_augmented_images_are_flipped_and_colours_vary():
    red_to_the_right, means = [], []
    for number in range(100):
        pixels = augmented(picture(90, 80), 75, draws(0, 1, number)).astype(float)
        channel = np.median(pixels.max(axis=2), axis=0)
        red_to_the_right.append(channel[-10:].mean() > channel[:10].mean())
        means.append(pixels.mean())
    assert 30 < sum(red_to_the_right) < 70
    assert np.std(means) > 10


def test_colours_are_unchanged_by_no_jitter_and_stay_pixels_under_any(monkeypatch):
    pixels = np.asarray(picture(20, 20))
    for name, value in (("BRIGHTNESS", 0.0), ("HUE", 0.0), ("SATURATION", (1.0, 1.0)), ("CONTRAST", (1.0, 1.0))):
        monkeypatch.setattr(transforms, name, value)
    rounding = 6  # Pillow cuts hue to one of 256 steps, of six sectors with 255 values each
    assert np.abs(jittered(pixels, np.random.default_rng(0)).astype(int) - pixels).max() <= rounding


def test_brightness_moves_every_pixel_by_as_much(monkeypatch):
    for name, value in (("HUE", 0.0), ("SATURATION", (1.0, 1.0)), ("CONTRAST", (1.0, 1.0))):
        monkeypatch.setattr(transforms, name, value)
    grey = np.full((4, 4, 3), 128, dtype=np.uint8)
    moved = {int(jittered(grey, np.random.default_rng(seed))[0, 0, 0]) - 128 for seed in range(50)}
    assert min(moved) >= -32
    assert max(moved) <= 32
    assert len(moved) > 10


def test_the_network_sees_pixels_from_minus_one_to_one_channels_last():
    pixels = torch.tensor([[[[0, 255, 51]]]], dtype=torch.uint8)
    inputs = network_input(pixels.expand(2, 5, 5, 3).contiguous())
    assert inputs.shape == (2, 3, 5, 5)
    assert inputs[0, :, 0, 0].tolist() == pytest.approx([-1, 1, -0.6])
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def training_order(first=(1, 0), share=slice(None), seed=0, epochs=3) -> list[list[tuple[int, int]]]:
    return list(TrainingOrder(IMAGES, 30, seed, epochs, first, share))


def test_every_epoch_comes_to_each_image_once_in_an_order_of_its_own():
    numbers = [order(0, epoch, IMAGES) for epoch in (1, 2)]
    assert all(sorted(each) == list(range(IMAGES)) for each in numbers)
    assert list(numbers[0]) != list(numbers[1])
    steps = training_order()
    assert [epoch for epoch, _ in sum(steps, [])] == [1] * 90 + [2] * 90 + [3] * 90
    assert [number for _, number in sum(steps[:3], [])] == list(numbers[0][:90])
    assert steps != training_order(seed=1)


@pytest.mark.parametrize("first", [(1, 1), (2, 0), (2, 2), (3, 3)])
def test_a_restart_goes_on_with_the_steps_that_are_left(first):
    done = (first[0] - 1) * 3 + first[1]
    assert training_order(first) == training_order()[done:]


def test_processes_share_a_step():
    whole = training_order()
    parts = [training_order(share=slice(start, start + 10)) for start in (0, 10, 20)]
    assert [sum(each, []) for each in zip(*parts, strict=True)] == whole


def read(split, workers: int, seed: int | None = 0) -> list[Tensor]:
    items = TrainingOrder(len(split), 6, 0, 2, (1, 0), slice(0, 4))
    return [tensor for batch in batches(Images(split, 75, seed), items, workers) for tensor in batch]


def test_any_number_of_workers_reads_the_same_bytes(split):
    alone = read(split, 0)
    assert len(alone) == 2 * 2 * 2
    for workers in (1, 2):
        assert all(a.equal(b) for a, b in zip(alone, read(split, workers), strict=True))


def test_augmentation_changes_the_bytes_and_no_augmentation_repeats_them(split):
    (first, numbers), *_, (last, _) = zip(read(split, 0)[::2], read(split, 0)[1::2], strict=True)
    assert first.shape == (4, 75, 75, 3)
    plain = read(split, 0, None)
    assert not first.equal(plain[0])
    assert (centre_crop(split.image(int(numbers[0])), 75) == plain[0][0].numpy()).all()
    assert not first.equal(last)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_cannot_be_read_is_named_by_whichever_process_reads_it(tmp_path, workers):
    source = write_folder(tmp_path / "images", image_files())
    (tmp_path / "index").mkdir()
    scan(Dataset(source=str(source)), tmp_path / "index")
    split = open_index(tmp_path / "index", source).train
    (source / "train/n02/3.JPEG").unlink()
    with pytest.raises(DataError, match=r"^dataset.source: 'train/n02/3.JPEG' cannot be read"):
        list(batches(Images(split, 75), [[(1, n) for n in range(16)]], workers))


@pytest.mark.parametrize(
    ("when_read", "said"),
    [
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            r"DataError: execution.workers: a process that reads images failed \(DataLo",
        ),
        ("raise RuntimeError('of /torch_env')", r"^RuntimeError: of /torch_env$"),
    ],
    ids=["killed", "failed"],
)
def test_a_worker_that_is_lost_ends_the_process_with_the_reason(split, tmp_path, when_read, said):
    """Python waited for the other worker for ever."""
    (tmp_path / "split.pickle").write_bytes(pickle.dumps(split))
    code = f"""
import os, pickle, signal, sys
from pathlib import Path
from rethinking.imagenet.training.loader import Images, batches, reading

class Failing(Images):
    def __getitem__(self, item):
        {when_read}

split = pickle.loads(Path(sys.argv[1]).read_bytes())
with reading():
    list(batches(Failing(split, 75), [[(1, n) for n in range(16)]] * 16, 2))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "split.pickle")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert re.search(said, ended.stderr, re.MULTILINE)
