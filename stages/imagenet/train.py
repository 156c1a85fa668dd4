"""Stage train: a row of table 2 on one process or on several, resumable to the bit by as many.

The stage starts a process for each GPU that it may use. Started by `torchrun` or `srun torchrun`, it is one of them.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from safetensors.torch import save

from rethinking.core.arguments import path_parser
from rethinking.core.determinism import repeatable_kernels
from rethinking.core.errors import DataError, UsageError, run_stage
from rethinking.core.files import new_folder, seal, write_json
from rethinking.core.interrupts import StopFlag, Stopped
from rethinking.core.tables import write_table
from rethinking.core.workspace import checkpoint_file
from rethinking.imagenet.common import config
from rethinking.imagenet.common.config import ARCH, Parameters
from rethinking.imagenet.common.index import Index, open_index
from rethinking.imagenet.training import processes
from rethinking.imagenet.training.loader import reading
from rethinking.imagenet.training.loop import Progress, Training, Watch, summarise
from rethinking.imagenet.training.network import network, open_labels, run_fingerprint, run_key
from rethinking.models.parts.network import parameter_count
from rethinking.training.live import ProgressBar, followed


def main() -> None:
    """Train as one of the processes, after starting them where nobody has."""
    parser = path_parser(__doc__, "params", "index", "data", "out")
    parser.add_argument("--row", required=True, help="of table 2, as the section rows names it")
    arguments = parser.parse_args()
    parameters = config.load(*arguments.params)
    parameters.row(arguments.row)
    started = processes.is_started()
    count = int(os.environ["WORLD_SIZE"]) if started else processes.count(parameters.execution, parameters.train.groups)
    if parameters.train.groups % count:
        raise UsageError(
            f"execution.processes: {count} processes cannot share the {parameters.train.groups} groups of a step "
            f"(batch_size {parameters.train.batch_size} of {parameters.train.group_size}); set one that divides them"
        )
    if count > 1 and not started:
        open_data(parameters, arguments)  # so that what is wrong with it is said once
        processes.start(count, "stages.imagenet.train", sys.argv[1:])
        return
    with StopFlag() as stop:
        grandparent = psutil.Process(os.getppid()).ppid() if started else None

        def stop_requested() -> bool:
            # `stop` sees the end of the stage that started this process; the end of that stage's DVC shows only here.
            return stop() or (started and psutil.Process(os.getppid()).ppid() != grandparent)

        try:
            with reading():
                train_and_write(parameters, arguments, stop_requested)
        except Stopped:
            if not processes.is_first():
                sys.exit(128 + (stop.signal_number or signal.SIGINT))  # the first process says it for all
            raise stop.interruption(arguments.out) from None
        except RuntimeError as error:
            if started and processes.is_loss_of_another(error):
                reason = (str(error).strip().splitlines() or ["no reason given"])[0]
                print(f"process {os.environ['RANK']} lost another: {reason}", file=sys.stderr, flush=True)
                time.sleep(processes.SECONDS_TO_SAY_WHY)
                sys.exit(processes.LOST)
            raise
        finally:
            processes.leave()


def open_data(parameters: Parameters, arguments: Any) -> tuple[Index, np.ndarray, dict[str, Any]]:
    """The index, the labels to learn and their corruption.

    Raises DataError where they do not belong together, UsageError where they are too few for a step.
    """
    index = open_index(arguments.index, parameters.dataset.path)
    labels, corruption = open_labels(arguments.data, index)
    if len(labels) < parameters.train.batch_size:
        raise UsageError(
            f"train.batch_size: found {parameters.train.batch_size}, but there are only {len(labels)} training images"
        )
    return index, labels, corruption


def train_and_write(parameters: Parameters, arguments: Any, stop_requested: Callable[[], bool]) -> None:
    """Train the row's network, and write it by the first process, unless code or parameters changed meanwhile."""
    place, row, out = processes.join(parameters.execution), arguments.row, arguments.out
    repeatable_kernels(parameters.train.deterministic)
    index, labels, corruption = open_data(parameters, arguments)
    fingerprint = run_fingerprint(index, labels)
    model = network(parameters.train, parameters.row(row), len(index.class_names)).to(place.device)
    training = Training(model, index, labels, parameters.train, parameters.row(row), place)
    key = run_key(parameters, row, fingerprint, place.device)
    progress = train(training, parameters, row, out, checkpoint_file(out, key), stop_requested)
    final = training.evaluate(training.step.averages, everything=True)
    last = training.evaluate(training.step.parameters, everything=True)
    if run_key(config.load(*arguments.params), row, fingerprint, place.device) != key:
        raise DataError(f"code or parameters changed while {out} trained; nothing was written, run it again")
    metrics = {
        "arch": ARCH,
        "dataset": index.name,
        "corruption": corruption,
        "seed": parameters.train.seed,
        "parameters": parameter_count(model),
        "train_size": len(labels),
        "batch_size": parameters.train.batch_size,
        "precision": parameters.train.precision,
        **summarise(progress, final),
        **{f"last_weights_{name}": last[name] for name in ("train_accuracy", "test_accuracy")},
    }
    if place.is_first:
        write(out, training, metrics, progress, {"recipe": parameters.recipe(row), "data": fingerprint})
    place.wait()


def train(
    training: Training,
    parameters: Parameters,
    row: str,
    out: Path,
    checkpoint: Path,
    stop_requested: Callable[[], bool],
) -> Progress:
    """Train while the curves can be watched, by the first process."""
    settings = parameters.execution
    if not training.processes.is_first:
        return training.run(checkpoint, settings.checkpoint_every, Watch(stop_requested))
    bar = ProgressBar(out.as_posix(), parameters.train.epochs * training.step.steps_per_epoch)
    with followed(bar, settings, out, parameters.recipe(row), "execution") as on_row:
        return training.run(checkpoint, settings.checkpoint_every, Watch(stop_requested, bar.step, on_row))


def write(
    out: Path, training: Training, metrics: dict[str, Any], progress: Progress, made_from: dict[str, Any]
) -> None:
    """Write the run's folder: the averaged weights, which were evaluated, the last ones, metrics and curves."""
    step = training.step
    buffers = {name: each for name, each in step.model.state_dict().items() if name not in step.parameters}
    with new_folder(out) as folder:
        for name, weights in (("model", step.averages), ("last_weights", step.parameters)):
            tensors = {key: each.detach().cpu().contiguous() for key, each in (weights | buffers).items()}
            (folder / f"{name}.safetensors").write_bytes(save(tensors))
        write_json(folder / "metrics.json", metrics)
        write_table(folder / "curves.csv", progress.rows)
        write_table(folder / "steps.csv", progress.windows)
        seal(folder, made_from)


if __name__ == "__main__":
    run_stage(main, watched=(".py",))
