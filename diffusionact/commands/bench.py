"""`diffusionact bench`: the default path against plain float32, alternating in one run."""

from __future__ import annotations

import argparse
import json
import logging
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ..checks import check_in_range
from ..devices import choose_device, default_dtype
from ..generation import load_components
from ..models import UNet

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measurement:
    """Medians of one network on one path.

    Attributes:
        milliseconds_per_call: one UNet call of `batch` frames.
        frames_per_second: at 20 UNet calls a frame.
    """

    network: str
    path: str
    batch: int
    milliseconds_per_call: float
    frames_per_second: float


STEPS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="alternations (default: %(default)s)")
    parser.add_argument("--chunk-size", type=int, default=4, help="frames batched (default: %(default)s)")
    parser.add_argument("--skip-official", action="store_true", help="leave out the 256 px official size")
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print the table, and write it as JSON where asked."""
    check_in_range("--rounds", options.rounds, 1, 1000)
    check_in_range("--chunk-size", options.chunk_size, 1, 4096)
    device = choose_device(options.device)
    networks = {"demo": load_components("demo").unet}
    if not options.skip_official:
        networks["official size, random weights"] = UNet()
    instructions = torch.backends.cpu.get_cpu_capability()
    machine = f"{platform.machine()} CPU with {instructions}, {torch.get_num_threads()} threads"
    if device.type == "cuda":
        machine = torch.cuda.get_device_name(device)
    header = f"{machine}, torch {torch.__version__}"
    logger.info("%s", header)
    rows = []
    for name, unet in networks.items():
        rows += _compare(name, unet.eval().requires_grad_(False), device, options)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        figures = {"machine": header, "steps": STEPS, "rows": [asdict(row) for row in rows]}
        options.output.write_text(json.dumps(figures, indent=2) + "\n")


def _compare(name: str, unet: UNet, device: torch.device, options: argparse.Namespace) -> list[Measurement]:
    """Alternate both paths and print their medians and the ratio, frames a second of default over plain."""
    plain = unet.to(device)
    fast = UNet.from_config(unet.config).eval().requires_grad_(False)
    fast.load_state_dict(unet.state_dict())
    # diffusers' own `to` warns about an empty list of float32 modules.
    torch.nn.Module.to(fast, device, default_dtype(device), memory_format=torch.channels_last)
    times: dict[str, list[float]] = {"plain": [], "default": []}
    for round_index in range(options.rounds + 1):
        seconds = {
            "plain": seconds_per_call(plain, 1, torch.contiguous_format),
            "default": seconds_per_call(fast, options.chunk_size, torch.channels_last),
        }
        if round_index:  # the first round warms up
            for path, value in seconds.items():
                times[path].append(value)
    rows = [
        _measurement(name, "plain float32, batch 1", 1, times["plain"]),
        _measurement(name, f"{str(fast.dtype)[6:]} channels_last", options.chunk_size, times["default"]),
    ]
    for row in rows:
        logger.info(
            "%-32s %-26s batch %2d  %9.1f ms/call  %8.3f frames/s",
            *(row.network, row.path, row.batch, row.milliseconds_per_call, row.frames_per_second),
        )
    logger.info("%-32s default over plain: %.2fx frames/s", name, rows[1].frames_per_second / rows[0].frames_per_second)
    return rows


def _measurement(name: str, path: str, batch: int, seconds: list[float]) -> Measurement:
    median = statistics.median(seconds)
    return Measurement(name, path, batch, round(1000 * median, 2), round(batch / (STEPS * median), 4))


@torch.inference_mode()
def seconds_per_call(unet: UNet, batch: int, memory_format: torch.memory_format) -> float:
    """Wall-clock time of one call of `batch` frames of noise, in the network's own dtype."""
    size, device, dtype = unet.config.sample_size, unet.device, unet.dtype
    sample = torch.randn(batch, 3, size, size, device=device, dtype=dtype).to(memory_format=memory_format)
    code = torch.randn(batch, unet.config.semantic_dim, device=device, dtype=dtype)
    timestep = torch.tensor(500, device=device)
    synchronise(device)
    started = time.perf_counter()
    unet(sample, timestep, code)
    synchronise(device)
    return time.perf_counter() - started


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
