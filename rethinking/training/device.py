"""The device a run uses, and the settings that make it repeat itself to the bit."""

import copy
import ctypes
import sys

import torch
from torch import nn

from rethinking.core.determinism import repeatable_kernels
from rethinking.core.errors import UsageError


def select_device(name: str, deterministic: bool) -> torch.device:
    """The device called `cuda`, `mps`, `cpu` or `auto` (the first there is), set up for repeatable kernels.

    Raises UsageError where the device is absent.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    chosen = next(kind for kind, there in available.items() if there) if name == "auto" else name
    if not available[chosen]:
        present = ", ".join(kind for kind, there in available.items() if there)
        raise UsageError(f"train.device: found '{name}', but this machine has {present}; auto chooses by itself")
    repeatable_kernels(deterministic)
    torch.backends.cudnn.benchmark = not deterministic
    if chosen == "cuda":
        # Float32 products in TF32: convolutions do so by default, matrix products only when told.
        torch.set_float32_matmul_precision("high")
    if chosen == "cpu":
        _keep_freed_memory()
    return torch.device(chosen)


def dropout_generator(device: torch.device) -> torch.Generator:
    """The generator that dropout draws from on a device."""
    if device.type == "cuda":
        return torch.cuda.default_generators[torch.cuda.current_device()]
    return torch.mps._get_default_mps_generator() if device.type == "mps" else torch.default_generator


def _keep_freed_memory() -> None:
    """Let glibc keep large freed blocks; if it returned them to the system, each step would fault them in again."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_threshold, largest = -1, -3, 2**31 - 1
        libc.mallopt(mmap_threshold, largest)
        libc.mallopt(trim_threshold, largest)


def compute_model(model: nn.Module, precision: str) -> nn.Module:
    """The network that computes with the weights of `model`: itself, or for `bf16` one that shares all with it but the
    weights of linear layers and convolutions, of which it has bfloat16 copies, so that autocast makes none.
    """
    if precision == "float32":
        return model
    own = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    for module in model.modules():
        # Not their subclasses, which may do more with their weights than autocast does in bfloat16.
        if type(module) in (nn.Linear, nn.Conv2d):
            for weight in module.parameters(recurse=False):
                own[id(weight)] = nn.Parameter(weight.detach().bfloat16())
    return copy.deepcopy(model, own)
