"""What the machine has, and which GPUs a stage gets."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile

from rethinking.core.config import Resources
from rethinking.core.errors import UsageError


@dataclass
class Machine:
    """Places for stages: at most `jobs` at once, no more than `cores` together, no GPU beyond its whole memory."""

    jobs: int
    cores: int
    gpus: list[str]
    taken: dict[str, tuple[Resources, list[str]]] = field(default_factory=dict)

    def take(self, name: str, resources: Resources) -> bool:
        """Give the stage its place, and the emptiest GPU or as many as it asks for; False where nothing fits now.

        A stage that asks for more cores or GPUs than there are gets all of them.
        """
        cores = sum(min(each.cores, self.cores) for each, _ in self.taken.values())
        if len(self.taken) >= self.jobs or cores + min(resources.cores, self.cores) > self.cores:
            return False
        memory, stages = self._load()
        emptiest = sorted(self.gpus, key=lambda each: (memory[each], stages[each]))[: resources.gpus or 1]
        if any(memory[gpu] + _share(resources) > 1 + 1e-9 for gpu in emptiest):  # ten shares of 0.1 fit
            return False
        self.taken[name] = (resources, [gpu for gpu in self.gpus if gpu in emptiest])
        return True

    def visible_gpus(self, name: str) -> str | None:
        """The stage's GPUs, joined by commas; None where there is no choice, so that nothing need be set."""
        return ",".join(self.taken[name][1]) if len(self.gpus) > 1 else None

    def release(self, name: str) -> None:
        del self.taken[name]

    def _load(self) -> tuple[dict[str, float], Counter[str]]:
        """The share of memory taken on each GPU, and the number of stages there."""
        memory = dict.fromkeys(self.gpus, 0.0)
        for given, gpus in self.taken.values():
            for gpu in gpus:
                memory[gpu] += _share(given)
        return memory, Counter(gpu for _, gpus in self.taken.values() for gpu in gpus)


def _share(resources: Resources) -> float:
    """What the stage takes of the memory of each of its GPUs."""
    return 1.0 if resources.gpus else resources.gpu


def require_gpus(names: Iterable[str], resources: Mapping[str, Resources], most: int, where: str) -> None:
    """Raise UsageError for a stage that asks for more whole GPUs than `where` has, unless that has none."""
    for name in names:
        if (found := resources[name].gpus) > most > 0:
            raise UsageError(f"resources: found gpus: {found} for {name}, but {where} has {most}; set at most {most}")


def available_gpus() -> list[str]:
    """The CUDA devices that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",") if name.strip()]
        return list(takewhile(lambda name: not name.startswith("-"), names))  # as CUDA does
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return result.stdout.split()
