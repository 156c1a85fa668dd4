"""What a result was measured with and on: versions, the device, and how much of the machine a stage had."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from stages.parallel.machine import available_cores

PACKAGES = ("torch", "torchvision", "timm", "numpy", "scipy", "dvc", "safetensors")
# What sets CPUs apart for training: the widths of their vectors, and whether they compute with bf16.
INSTRUCTIONS = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16")


def environment() -> dict[str, Any]:
    """Machine, device, instruction sets, cores, threads and versions, as JSON-serialisable values.

    `threads` are those of this process, which OMP_NUM_THREADS sets for the stages too.
    """
    capabilities = torch.cpu.get_capabilities()
    return {
        "machine": platform.machine(),
        "device": device_name(),
        "instructions": [name for name in INSTRUCTIONS if capabilities.get(name)],
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def device_name() -> str:
    """The GPU where there is one, else the processor."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else processor_name()


def processor_name() -> str:
    """What the system calls the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
