"""Batches of images, read and decoded by worker processes, in an order that depends on the seed and the epoch alone."""

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from rethinking.core.errors import DataError
from rethinking.core.streams import Stream, generator
from rethinking.imagenet.common.index import Split
from rethinking.imagenet.training.transforms import augmented, centre_crop, draws

Item = tuple[int, int]  # epoch (from 1) and number of the image
Batch = tuple[Tensor, Tensor]  # pixels (N, H, W, C) uint8 and the numbers of the images (N,) int64
BATCHES_AHEAD = 4  # of each worker
# Torch's words where a worker was killed, and where there is no room to hand a batch over.
LOST_WORKER = ("DataLoader worker (pid", "shared memory", "</torch_")


@dataclass(frozen=True)
class Images(Dataset):
    """The images of a split as a network's input; an item is asked for by epoch and number."""

    split: Split
    size: int
    seed: int | None = None  # of the augmentation; None is the centre crop

    def __getitem__(self, item: Item) -> tuple[np.ndarray, int] | str:
        """Pixels (size, size, 3) uint8 and the number, or what is wrong with the image: a sentence crosses processes
        better than an error."""
        epoch, number = item
        try:
            image = self.split.image(number)
        except DataError as error:
            return str(error)
        if self.seed is None:
            return centre_crop(image, self.size), number
        return augmented(image, self.size, draws(self.seed, epoch, number)), number


def order(seed: int, epoch: int, images: int) -> np.ndarray:
    """The numbers of all images (N,) int64 as the epoch of that number, from 1, comes to them."""
    return generator(seed, Stream.ORDER, epoch).permutation(images)


@dataclass(frozen=True)
class TrainingOrder:
    """The items of every step from one on: those of this process's share of each step's images.

    A step takes the next `batch_size` images of the epoch's order. What is left of an epoch, less than a batch, is left
    out; it is another part each time.
    """

    images: int
    batch_size: int
    seed: int
    epochs: int
    first: tuple[int, int]  # epoch from 1, steps of it that are done
    share: slice  # of a step's images

    def __iter__(self) -> Iterator[list[Item]]:
        epoch, done = self.first
        for each in range(epoch, self.epochs + 1):
            numbers = order(self.seed, each, self.images)
            for step in range(done if each == epoch else 0, self.images // self.batch_size):
                batch = numbers[step * self.batch_size : (step + 1) * self.batch_size]
                yield [(each, int(number)) for number in batch[self.share]]


def batches(images: Images, items: Any, workers: int) -> Iterator[Batch]:
    """The batches that `items` lists, in its order. Raises DataError for an image that fails; see `reading`."""
    loader = DataLoader(
        images,
        batch_sampler=items,
        num_workers=workers,
        collate_fn=_collate,
        prefetch_factor=BATCHES_AHEAD if workers else None,
        pin_memory=torch.cuda.is_available(),
        # Forked workers share the index; elsewhere each gets a copy.
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
    )
    # Ctrl-C and SIGTERM reach every process of a group. Workers keep them blocked: the training saves, then ends them.
    if workers:
        resource_tracker.ensure_running()  # without fork it starts with them, and unblocks both
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        batches_read = iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for batch in batches_read:
        if isinstance(batch, str):
            raise DataError(batch)
        yield batch


@contextmanager
def reading() -> Iterator[None]:
    """Around all that reads `batches`: no worker is left after it. Raises DataError where one was lost."""
    try:
        yield
    except RuntimeError as error:
        # Torch raises it wherever the training happens to be; a worker's own error ends with its words.
        reason = (str(error).strip().splitlines() or [""])[-1]
        if not any(sign in reason for sign in LOST_WORKER):
            raise
        raise DataError(
            f"execution.workers: a process that reads images failed ({reason}); where memory or /dev/shm is full, "
            "set fewer, or 0"
        ) from None
    finally:
        # A traceback keeps its loader alive, and Python would wait for workers that block the signal to end.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch takes every end by a signal for a failure
        for worker in multiprocessing.active_children():
            worker.kill()


def _collate(items: list[tuple[np.ndarray, int] | str]) -> Batch | str:
    """A batch, or what is wrong with its first image that cannot be read."""
    wrong = next((item for item in items if isinstance(item, str)), None)
    if wrong is not None:
        return wrong
    pixels, numbers = zip(*items, strict=True)
    batch = torch.from_numpy(np.stack(pixels)), torch.tensor(numbers)
    if get_worker_info() is not None:
        for tensor in batch:
            tensor.share_memory_()  # where there is no room, this raises; the hand-over would lose the batch in silence
    return batch
