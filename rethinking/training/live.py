"""Curves to watch while a run trains: a progress bar, DVCLive's files, and a mirror if one is set.

A run that goes on from a checkpoint hands over the rows of its epochs so far again, so what stands in its folder from
before is replaced.
"""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from rethinking.core.mirrors import require_mirror
from rethinking.core.workspace import main_copy


class Follower(Protocol):
    """Shows or sends the curves of a run."""

    def log(self, row: dict[str, Any]) -> None:
        """Take the row of an epoch."""

    def close(self) -> None:
        """Take no more rows."""


class ProgressBar:
    """Steps done, loss, accuracies and time left; on a pipe, a line every 30 seconds instead of a moving bar."""

    def __init__(self, name: str, total_steps: int):
        interval = 0.5 if sys.stderr.isatty() else 30
        self.bar = tqdm(total=total_steps, desc=name, unit="step", mininterval=interval, maxinterval=interval)

    def step(self, steps: int) -> None:
        """Move to the number of steps taken so far."""
        self.bar.update(steps - self.bar.n)

    def log(self, row: dict[str, Any]) -> None:
        self.step(row["step"])
        self.bar.set_postfix_str(
            f"epoch {row['epoch']} loss {row['train_loss']:.3f} "
            f"train {row['train_accuracy']:.2%} test {row['test_accuracy']:.2%}",
            refresh=False,
        )

    def close(self) -> None:
        self.bar.close()


class DvcLive:
    """DVCLive's files in `live/<run>`, outside DVC's outputs; its report.html shows the curves while they grow."""

    def __init__(self, folder: Path):
        from dvclive import Live

        self.live = Live(dir=str(folder), dvcyaml=None, save_dvc_exp=False, report="html", monitor_system=False)

    def log(self, row: dict[str, Any]) -> None:
        self.live.step = row["epoch"]
        for name, value in row.items():
            if isinstance(value, float):
                self.live.log_metric(name, value)
        self.live.make_summary()
        self.live.make_report()

    def close(self) -> None:
        self.live.end()


class WeightsAndBiases:
    """A mirror on Weights & Biases, whose own files lie in `live/<run>/wandb`."""

    def __init__(self, name: str, folder: Path, parameters: dict[str, Any]):
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(project="rethinking-generalization", name=name, dir=folder, config=parameters)

    def log(self, row: dict[str, Any]) -> None:
        self.run.log(row, step=row["epoch"])

    def close(self) -> None:
        self.run.finish()


class TensorBoard:
    """A mirror as TensorBoard event files in `live/<run>/tensorboard`."""

    def __init__(self, folder: Path):
        from torch.utils.tensorboard import SummaryWriter

        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
        self.writer = SummaryWriter(folder / "tensorboard")

    def log(self, row: dict[str, Any]) -> None:
        for name, value in row.items():
            if isinstance(value, float):
                self.writer.add_scalar(name, value, row["epoch"])

    def close(self) -> None:
        self.writer.close()


@contextmanager
def followed(
    bar: ProgressBar, settings: Any, out: Path, parameters: dict[str, Any], section: str = "train"
) -> Iterator[Callable[[dict[str, Any]], None]]:
    """What takes the rows of the run `out` meanwhile: the bar, and what the section's `live` and `mirror` ask for.

    Raises UsageError where the mirror cannot be used.
    """
    mirror = settings.mirror
    require_mirror(mirror, f"{section}.mirror")
    folder = main_copy() / "live" / out
    followers: list[Follower] = []

    def log(row: dict[str, Any]) -> None:
        for follower in followers:
            follower.log(row)

    with ExitStack() as closing:

        def add(follower: Follower) -> None:
            followers.append(follower)
            closing.callback(follower.close)

        add(bar)
        if settings.live:
            add(DvcLive(folder))
        if mirror == "wandb":
            add(WeightsAndBiases(out.as_posix(), folder, parameters))
        elif mirror == "tensorboard":
            add(TensorBoard(folder))
        yield log
