"""What the machine has, what a stage takes of it, and which GPU a stage gets."""

import os
import subprocess
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Share:
    """What one stage takes: whole CPU cores, and a share of one GPU's memory in [0, 1]. Zero takes no place."""

    cores: int = 0
    gpu: float = 0.0


@dataclass
class Machine:
    """Places for stages: at most `jobs` at once, no more than `cores` together, no GPU beyond its whole memory."""

    jobs: int
    cores: int
    gpus: list[str]
    taken: dict[str, tuple[Share, str | None]] = field(default_factory=dict)

    def take(self, name: str, share: Share) -> bool:
        """Give the stage its place and the emptiest GPU; False where nothing fits now.

        A stage that asks for more cores than there are gets all of them.
        """
        cores = sum(min(each.cores, self.cores) for each, _ in self.taken.values())
        if len(self.taken) >= self.jobs or cores + min(share.cores, self.cores) > self.cores:
            return False
        gpu = None
        if self.gpus:
            memory, stages = self._load()
            gpu = min(self.gpus, key=lambda each: (memory[each], stages[each]))
            if memory[gpu] + share.gpu > 1 + 1e-9:  # ten shares of 0.1 fit
                return False
        self.taken[name] = (share, gpu)
        return True

    def gpu(self, name: str) -> str | None:
        """The GPU that the stage was given, where there are several to choose from."""
        return self.taken[name][1] if len(self.gpus) > 1 else None

    def release(self, name: str) -> None:
        """The stage has ended."""
        del self.taken[name]

    def _load(self) -> tuple[dict[str, float], Counter[str | None]]:
        """The share of memory taken on each GPU, and the number of stages there."""
        memory = dict.fromkeys(self.gpus, 0.0)
        for share, gpu in self.taken.values():
            if gpu is not None:
                memory[gpu] += share.gpu
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
