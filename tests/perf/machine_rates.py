"""What this machine can do at best, measured: the limits that other figures are held against."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def matmul_rate(dtype: torch.dtype = torch.float32, device: str = "cpu", seconds: float = 0.5) -> float:
    """Operations a second of a large matrix product."""
    size = 8192 if device == "cuda" else 1536
    one = torch.randn(size, size, dtype=dtype, device=device)
    out = torch.empty_like(one)
    return 2.0 * size**3 * _rate(lambda: torch.mm(one, one, out=out), device, seconds)


def read_rate(device: str = "cpu", seconds: float = 0.5) -> float:
    """Bytes a second out of memory, by copies too large for any cache; what is written counts as much."""
    source = torch.ones(2**30 if device == "cuda" else 2**27, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2.0 * source.numel() * _rate(lambda: target.copy_(source), device, seconds)


def _rate(once: Callable[[], object], device: str, seconds: float) -> float:
    once()
    times, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        once()
        if device == "cuda":
            torch.cuda.synchronize()
        times += 1
    return times / (time.perf_counter() - start)
