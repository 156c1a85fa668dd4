"""What the machine could do: its rate of matrix products and of memory copies, and a network's work per image."""

import ctypes
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.autograd import DeviceType
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

# Numbers of mallopt's options in the C library of Linux.
MALLOC_TRIM_THRESHOLD, MALLOC_MMAP_THRESHOLD = -1, -3


def seconds(work: Callable[[], object], device: torch.device, at_least: float) -> float:
    """Mean seconds of one call, over as many calls as fill `at_least` seconds, the device drained at both ends."""
    work()
    calls = 0
    _drain(device)
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < at_least or calls == 0:
        work()
        calls += 1
        if device.type == "cpu" or calls % 50 == 0:
            _drain(device)
    _drain(device)
    elapsed = time.perf_counter() - start
    return elapsed / calls


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large matrix product."""
    size = 8192 if device.type == "cuda" else 2048
    left = torch.randn(size, size, device=device).to(dtype)
    right = torch.randn(size, size, device=device).to(dtype)
    return 2 * size**3 / seconds(lambda: left @ right, device, 1.0)


def copy_rate(device: torch.device) -> float:
    """Bytes per second read and written by a copy much larger than the caches."""
    count = 2**30 if device.type == "cuda" else 2**26
    source, target = torch.ones(count, device=device), torch.empty(count, device=device)
    return 2 * 4 * count / seconds(lambda: target.copy_(source), device, 1.0)


def flops_per_image(model: nn.Module, shape: tuple[int, int, int]) -> tuple[float, float]:
    """Floating-point operations (two for a multiply-add) of a forward pass over an image of shape (C, H, W), and of one
    with its backward pass; the model is on the CPU."""
    images = torch.randn(8, *shape)
    with FlopCounterMode(display=False) as counter:
        loss = functional.cross_entropy(model(images), torch.zeros(8, dtype=torch.int64))
        forward = counter.get_total_flops()
        torch.autograd.grad(loss, list(model.parameters()))
    return forward / len(images), counter.get_total_flops() / len(images)


def hot_spots(work: Callable[[], object], device: torch.device, most: int = 3) -> dict[str, float]:
    """The operators (kernels, on a GPU) that take most of the time of a call, with their shares of it."""
    _keep_freed_memory()
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    with profile(activities=activities, acc_events=True) as profiler:
        work()
        _drain(device)
    measure, kind = (
        ("self_device_time_total", DeviceType.CUDA)
        if device.type == "cuda"
        else ("self_cpu_time_total", DeviceType.CPU)
    )
    events = [event for event in profiler.key_averages() if event.device_type == kind]
    times = {event.key: getattr(event, measure) for event in events}
    largest = sorted(times, key=lambda name: times[name], reverse=True)[:most]
    # A container may keep a GPU's events from the profiler.
    return {name: times[name] / sum(times.values()) for name in largest if times[name]}


def _keep_freed_memory() -> None:
    """Have malloc give nothing below 32 MB back to the system, for good.

    The profiler's own allocations otherwise make every step take its memory anew: 600 page faults a step of MLP 1x512,
    where there is none without the profiler, and a share of copies of 35% in place of 10%.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(MALLOC_TRIM_THRESHOLD, 2**30)
        libc.mallopt(MALLOC_MMAP_THRESHOLD, 2**25)


def _drain(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
