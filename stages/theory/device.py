"""The device of the theory stages, set up for exact arithmetic: float64, no TF32, deterministic kernels."""

import os

import torch

from stages.errors import UsageError


def exact_device(name: str) -> torch.device:
    """The device called `cuda`, `cpu` or `auto` (CUDA where there is one; MPS has no float64).

    Raises UsageError where CUDA is asked for and absent.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("theory.device: found 'cuda', but this machine has cpu; auto chooses by itself")
    # cuBLAS reads this when it starts; without it two runs may differ in the last bit.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("error")
    # Deterministic mode also fills fresh memory, against code that reads it uninitialised; ours does not.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
