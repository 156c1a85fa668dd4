"""How a network is trained (paper, section 3 and appendix A), as plain values, and the random streams of a run."""

from dataclasses import dataclass
from enum import Enum

import numpy as np


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum and a learning rate that falls by `lr_decay` after every epoch, or after each milestone.

    `stop_when_fitted` ends a run so many epochs after it fitted its training set; None trains all epochs.
    """

    epochs: int
    batch_size: int
    lr: float
    lr_decay: float
    lr_milestones: tuple[int, ...] | None
    momentum: float
    weight_decay: float
    precision: str
    seed: int
    stop_when_fitted: int | None = None

    def lr_at(self, epoch: int) -> float:
        """The learning rate during the epoch of that number, counted from 1."""
        drops = epoch - 1 if self.lr_milestones is None else sum(epoch > mark for mark in self.lr_milestones)
        return self.lr * self.lr_decay**drops


class Stream(Enum):
    """The random streams of a run; each has seeds of its own, so that drawing from one never moves another."""

    INITIALISATION = 1
    ORDER = 2
    AUGMENTATION = 3
    DROPOUT = 4


def stream_seed(seed: int, stream: Stream, epoch: int = 0) -> int:
    """The 63-bit seed of a stream in an epoch; as every epoch has its own, a longer run begins like a shorter one."""
    return int(np.random.SeedSequence([seed, stream.value, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1))
