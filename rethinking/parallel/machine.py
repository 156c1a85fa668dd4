"""What the machine has, and which GPU a stage gets."""

import os
import subprocess
from collections import Counter
from dataclasses import dataclass, field

from rethinking.core.config import Resources


@dataclass
class Machine:
    """Places for stages: at most `jobs` at once, no more than `cores` together, no GPU beyond its whole memory."""

    jobs: int
    cores: int
    gpus: list[str]
    taken: dict[str, tuple[Resources, str | None]] = field(default_factory=dict)

    def take(self, name: str, resources: Resources) -> bool:
        """Give the stage its place and the emptiest GPU; False where nothing fits now.

        A stage that asks for more cores than there are gets all of them.
        """
        cores = sum(min(each.cores, self.cores) for each, _ in self.taken.values())
        if len(self.taken) >= self.jobs or cores + min(resources.cores, self.cores) > self.cores:
            return False
        gpu = None
        if self.gpus:
            memory, stages = self._load()
            gpu = min(self.gpus, key=lambda each: (memory[each], stages[each]))
            if memory[gpu] + resources.gpu > 1 + 1e-9:  # ten shares of 0.1 fit
                return False
        self.taken[name] = (resources, gpu)
        return True

    def gpu(self, name: str) -> str | None:
        """The stage's GPU; None where there is no choice, so that nothing need be set."""
        return self.taken[name][1] if len(self.gpus) > 1 else None

    def release(self, name: str) -> None:
        del self.taken[name]

    def _load(self) -> tuple[dict[str, float], Counter[str | None]]:
        """The share of memory taken on each GPU, and the number of stages there."""
        memory = dict.fromkeys(self.gpus, 0.0)
        for given, gpu in self.taken.values():
            if gpu is not None:
                memory[gpu] += given.gpu
        return memory, Counter(gpu for _, gpu in self.taken.values())


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_gpus() -> list[str]:
    """The CUDA devices that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return result.stdout.split()
