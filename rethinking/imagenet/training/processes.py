"""The processes that train one network together: one for each GPU, on one machine or on several, or one on a CPU.

`torchrun`, or the stage itself by the same code, starts them and tells each its place by environment variables.
"""

import logging
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from rethinking.core.cores import available_cores
from rethinking.core.errors import DataError, Interrupted, UsageError
from rethinking.imagenet.common.config import Execution

LOST = 69  # exit code of a process that lost another: of sysexits, a service that is not there
SECONDS_TO_SAY_WHY = 3  # that it waits, so that the lost one ends first and with its own code
TIMEOUT = timedelta(minutes=30)  # an evaluation's first batch, or a slow disk, may keep one process waiting


@dataclass(frozen=True)
class Processes:
    """This process's place (`rank`) among so many, its device, and how many workers read images for it."""

    rank: int
    size: int
    device: torch.device
    workers: int = 0

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; all learn the same. It goes by the CPU, so that no GPU waits."""
        return bool(self.sum(torch.tensor(int(flag))).item()) if self.size > 1 else flag

    def take_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the first one's values."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def value_of_first(self, value: Any) -> Any:
        """The first process's value, whatever it is."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values, 0)
        return values[0]

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.size > 1:
            dist.barrier()


def is_started() -> bool:
    """Whether this process was started as one of several."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def is_loss_of_another(error: RuntimeError) -> bool:
    """Whether an error says no more than that another of the processes has gone."""
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower() or "nccl" in str(error).lower()


def is_first() -> bool:
    """Whether this process speaks for all."""
    return int(os.environ.get("RANK", 0)) == 0


def join(execution: Execution) -> Processes:
    """Take this process's place. Raises UsageError where the device is absent."""
    device = execution.device
    local = int(os.environ.get("LOCAL_RANK", 0))
    gpus = torch.cuda.device_count()
    if device == "cuda" and local >= gpus:
        raise UsageError(f"execution.device: found 'cuda', but this machine has {gpus} GPUs for process {local + 1}")
    on_gpu = device != "cpu" and local < gpus
    place = torch.device("cuda", local) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(place)
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    shared = available_cores() // here if on_gpu else 0
    workers = shared if execution.workers is None else execution.workers
    if not is_started():
        return Processes(0, 1, place, workers)
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=TIMEOUT)
    return Processes(dist.get_rank(), dist.get_world_size(), place, workers)


def leave() -> None:
    """Give the place up, so that the others do not wait for this process."""
    if dist.is_initialized():
        dist.destroy_process_group()


def count(execution: Execution, groups: int) -> int:
    """How many processes to start: as many as asked for, or one for each GPU as far as they can share so many groups.

    Raises UsageError for fewer GPUs than processes, unless all are to train on the CPU.
    """
    gpus = 0 if execution.device == "cpu" else torch.cuda.device_count()
    if execution.processes is None:
        return max(number for number in range(1, max(gpus, 1) + 1) if groups % number == 0)
    if execution.processes > gpus and (gpus or execution.device == "cuda"):
        raise UsageError(
            f"execution.processes: found {execution.processes}, but this machine has {gpus} GPUs; null takes these"
        )
    return execution.processes


def start(processes: int, module: str, arguments: list[str]) -> None:
    """Run a module in so many processes of this machine, to their end.

    One that fails has said why; the others are then ended, and this process exits with its code. So it does after
    SIGTERM or Ctrl-C, when all have saved and ended. Raises Interrupted where one was killed, and DataError where they
    only lost each other.
    """
    from torch.distributed.elastic.agent.server.api import logger
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for noisy in (logger, logging.getLogger("torch.distributed")):
        noisy.setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun does; the number of threads changes the last bits
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all are here, and the host's name may lead nowhere
    code = str(Path(__file__).resolve().parents[3])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [code, os.environ.get("PYTHONPATH")]))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=str(os.getpid()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        monitor_interval=0.2,
    )
    try:
        elastic_launch(config, sys.executable)("-m", module, *arguments)
    except SignalException as error:
        sys.exit(128 + error.sigval)
    except ChildFailedError as error:
        codes: list[int] = [failure.exitcode for failure in error.failures.values()]
        killed = [-code for code in codes if code < 0 and code != -signal.SIGTERM]  # with which the others were ended
        if killed:
            raise Interrupted(
                f"a process of the training was killed by {signal.Signals(killed[0]).name}, often for want of memory; "
                "run the same command again to continue it",
                killed[0],
            ) from None
        said_why = [code for code in codes if code not in (LOST, -signal.SIGTERM)]
        if not said_why:
            raise DataError("the processes that train together lost each other, as they say above") from None
        sys.exit(said_why[0])
