"""The device of the theory stages, set up for exact arithmetic: float64, no TF32, deterministic kernels."""

import torch

from rethinking.core.determinism import repeatable_kernels
from rethinking.core.errors import UsageError


def exact_device(name: str) -> torch.device:
    """The device called `cuda`, `cpu` or `auto` (CUDA where there is one; MPS has no float64).

    Raises UsageError where CUDA is asked for and absent.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("theory.device: found 'cuda', but this machine has cpu; auto chooses by itself")
    repeatable_kernels()
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
