"""The settings that make torch's kernels give the same bits each time."""

import os

import torch


def repeatable_kernels(required: bool = True) -> None:
    """Let torch use deterministic kernels only, and fail where there is none; or allow all kernels."""
    # cuBLAS reads this when it starts; without it two runs may differ in the last bit.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The same switch as use_deterministic_algorithms, without that function's two seconds of imports.
    torch.set_deterministic_debug_mode("error" if required else "default")
    # Deterministic mode also fills fresh memory, against code that reads it uninitialised; ours does not.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
