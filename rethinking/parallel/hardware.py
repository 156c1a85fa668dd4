"""The machine and the versions that results are measured with."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from rethinking.core.cores import available_cores

PACKAGES = ("torch", "torchvision", "timm", "numpy", "scipy", "dvc", "safetensors")
# CPU features that training speed depends on: the width of vectors, and bf16 arithmetic.
INSTRUCTIONS = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "sve", "bf16")


def environment() -> dict[str, Any]:
    """Machine, device, instruction sets, the one used, cores and versions, as JSON-serialisable values."""
    capabilities = torch.cpu.get_capabilities()
    return {
        "machine": platform.machine(),
        "device": device_name(),
        "instructions": [name for name in INSTRUCTIONS if capabilities.get(name)],
        "used": torch.backends.cpu.get_cpu_capability().lower(),  # less where ATEN_CPU_CAPABILITY says so
        "cores": available_cores(),
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
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return name or platform.machine()
