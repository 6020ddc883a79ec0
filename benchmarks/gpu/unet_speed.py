"""Milliseconds of a UNet call by batch, and how much of the device's arithmetic it uses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from diffusionact.commands.bench import STEPS, seconds_per_call
from diffusionact.devices import default_dtype
from diffusionact.models import UNet

from .machine import matrix_tflops, published_tflops, tf32
from .networks import copy_of, unets
from .sections import Bench, Case, LeftOutError, Row


def cases(bench: Bench) -> Iterator[Case]:
    """Every network by batch: in the dtype of the pipeline, float32, TF32, compiled."""
    fast = default_dtype(bench.device)
    words = str(fast).removeprefix("torch.")
    ways = {words: (fast, False, False), "float32": (torch.float32, False, False)}
    ways |= {"tf32": (torch.float32, True, False), f"compiled {words}": (fast, False, True)}
    for name, unet in unets(bench.sizes).items():
        for way, (dtype, shortened, compiled) in ways.items():
            network = Network(bench, unet, dtype, shortened, compiled)
            for batch in bench.sizes.compiled_batches if compiled else bench.sizes.batches:
                yield Case(f"{name}: {way}, batch {batch}", partial(measure, network, batch))


class Network:
    """A UNet on the device in one way, made when it is first called.

    Args:
        bench: device and sizes.
        unet: on the CPU.
        dtype: of the weights.
        shortened: float32 with TF32.
        compiled: by torch.compile.
    """

    def __init__(self, bench: Bench, unet: UNet, dtype: torch.dtype, shortened: bool, compiled: bool):
        self.bench, self.source, self.dtype = bench, unet, dtype
        self.shortened, self.compiled = shortened, compiled

    @cached_property
    def unet(self) -> UNet:
        if self.shortened and self.bench.device.type != "cuda":
            raise LeftOutError("only GPUs shorten float32")
        unet = copy_of(self.source, self.bench.device, self.dtype)
        if self.compiled:
            unet.compile(backend=self.bench.sizes.compiler, dynamic=False)
        return unet

    @cached_property
    def operations(self) -> int:
        """Additions and multiplications of one image, as torch's own counter sees them."""
        with torch.device("meta"):
            unet = UNet(**dict(self.source.config)).eval()
            size = unet.config.sample_size
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                unet(torch.empty(1, 3, size, size), torch.tensor(500), torch.empty(1, unet.config.semantic_dim))
        return counter.get_total_flops()

    @cached_property
    def possible_tflops(self) -> float:
        return matrix_tflops(self.bench.device, self.dtype, self.bench.sizes.repeats)


def measure(network: Network, batch: int) -> Row:
    """Time of a call, and its share of a large matrix product's speed and of the data sheet's at 16 bits."""
    bench = network.bench
    with tf32(network.shortened):
        possible = network.possible_tflops
        seconds_per_call(network.unet, batch, torch.channels_last)
        times = [seconds_per_call(network.unet, batch, torch.channels_last) for _ in range(bench.sizes.repeats)]
    seconds = sorted(times)[len(times) // 2]
    tflops = batch * network.operations / seconds / 1e12
    row: Row = {"ms": 1000 * seconds, f"frames_per_second_at_{STEPS}_steps": batch / (STEPS * seconds)}
    row |= {"tflops": tflops, "of_matrix_product": tflops / possible}
    published = published_tflops(bench.device)
    if published is not None and network.dtype != torch.float32:
        row["of_data_sheet"] = tflops / published
    return row
