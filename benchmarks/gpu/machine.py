"""The device: what it is called, how long and how much memory something takes on it."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from diffusionact.commands.bench import synchronise
from diffusionact.commands.reenactment_report import peak_memory_mb

from .sections import LeftOutError

# Dense tera-operations a second of 16-bit matrix products with float32 sums, from the makers' data sheets.
PUBLISHED_TFLOPS = {
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "A10G": 70.0,
    "4090": 165.0,
    "3090": 71.0,
    "T4": 65.0,
}
MATRIX_SIDE = {"cuda": 8192, "cpu": 512}


def describe(device: torch.device) -> dict[str, str | int]:
    """Device and versions."""
    facts: dict[str, str | int] = {"device": f"{platform.machine()} CPU", "threads": torch.get_num_threads()}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts = {"device": properties.name, "memory_gb": round(properties.total_memory / 1e9)}
        facts |= {"cuda": str(torch.version.cuda), "cudnn": torch.backends.cudnn.version() or 0}
    return facts | {"torch": torch.__version__, "python": platform.python_version()}


def seconds_of(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median time of `work` after one call to warm up."""
    times = []
    for _ in range(repeats + 1):
        synchronise(device)
        begun = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def peak_memory_of(work: Callable[[], object], device: torch.device) -> float:
    """Gigabytes at the highest: on a GPU what torch holds, weights included; else the whole process since its start.

    Raises:
        LeftOutError: where the system does not tell.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    work()
    synchronise(device)
    megabytes = peak_memory_mb(device)
    if megabytes is None:
        raise LeftOutError("this system does not tell a process's peak memory")
    return megabytes * 2**20 / 1e9


def matrix_tflops(device: torch.device, dtype: torch.dtype, repeats: int) -> float:
    """Tera-operations a second of one large matrix product: what a network cannot exceed on this device."""
    side = MATRIX_SIDE.get(device.type, 2048)
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds_of(lambda: left @ right, device, repeats) / 1e12


def published_tflops(device: torch.device) -> float | None:
    """Of the data sheet at 16 bits, for devices whose name says which they are."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((value for part, value in PUBLISHED_TFLOPS.items() if part in name), None)


@contextmanager
def tf32(is_on: bool) -> Iterator[None]:
    """Whether float32 products and convolutions may shorten their inputs to 19 bits."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = is_on
    try:
        with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=is_on):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
