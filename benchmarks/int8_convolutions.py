"""What 8-bit integers could gain: convolutions of the UNet's shapes in them and in bfloat16, and their share of a call.

    OMP_NUM_THREADS=1 python -m benchmarks.int8_convolutions

Processor time, alternating in one run. "converted" includes rounding the input to integers and the output back, which
normalisation and activation between two convolutions need. The bound is what a call would gain if all of its
convolutions became as much faster as the fastest of these, for nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from diffusionact.generation import load_components
from diffusionact.models import UNet

BATCH, ROUNDS = 4, 15
# Channels and side of 3 x 3 convolutions: of the demo model, and of the official one.
SHAPES = ((64, 64), (128, 32), (256, 16), (256, 64), (512, 32))
SCALE, ZERO, MAX_WEIGHT = 0.05, 128, 127


def int8_convolution(convolution: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    """The convolution with its weights rounded by channel: quint8 -> quint8."""
    weight = convolution.weight.detach()
    ranges = (weight.abs().amax((1, 2, 3)) / MAX_WEIGHT).double()
    rounded = torch.quantize_per_channel(weight, ranges, torch.zeros(len(ranges), dtype=torch.long), 0, torch.qint8)
    channels = convolution.in_channels
    made = torch.ao.nn.quantized.Conv2d(channels, channels, 3, padding=1)
    made.set_weight_bias(rounded, convolution.bias.detach())
    made.scale, made.zero_point = SCALE, ZERO
    return made


def to_integers(x: Tensor) -> Tensor:
    return torch.quantize_per_tensor(x.float(), SCALE, ZERO, torch.quint8)


def convolution_row(channels: int, side: int) -> dict[str, float]:
    """Milliseconds of one convolution of a batch, each way."""
    convolution = nn.Conv2d(channels, channels, 3, padding=1)
    integers = int8_convolution(convolution)
    half = convolution.to(torch.bfloat16, memory_format=torch.channels_last)
    x = torch.randn(BATCH, channels, side, side).to(torch.bfloat16, memory_format=torch.channels_last)
    rounded = to_integers(x)
    ways = {
        "bfloat16": lambda: half(x),
        "int8": lambda: integers(rounded),
        "converted": lambda: integers(to_integers(x)).dequantize().bfloat16(),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            seconds[name].append(time.process_time() - begun)
    return {name: 1000 * statistics.median(values[1:]) for name, values in seconds.items()}


def convolution_share(unet: UNet) -> float:
    """Share of convolutions in the processor time of a call, bfloat16."""
    nn.Module.to(unet, dtype=torch.bfloat16, memory_format=torch.channels_last)
    side = unet.config.sample_size
    x = torch.randn(BATCH, 3, side, side).to(torch.bfloat16, memory_format=torch.channels_last)
    code = torch.randn(BATCH, unet.config.semantic_dim, dtype=torch.bfloat16)
    unet(x, 500, code)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(5):
            unet(x, 500, code)
    times = {each.key: each.self_cpu_time_total for each in profiled.key_averages()}
    return sum(value for name, value in times.items() if "convolution" in name) / sum(times.values())


@torch.inference_mode()
def main() -> None:
    """Print a row for each shape, and the bound; write them as JSON."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.backends.quantized.engine = "onednn"
    rows = []
    for channels, side in SHAPES:
        row = convolution_row(channels, side)
        ratios = {name: round(row["bfloat16"] / row[name], 2) for name in ("int8", "converted")}
        rows.append({"channels": channels, "side": side, "bfloat16_ms": round(row["bfloat16"], 2), **ratios})
        print(rows[-1])
    share, fastest = convolution_share(load_components("demo").unet.eval()), max(row["int8"] for row in rows)
    bound = 1 / (1 - share + share / fastest)
    print(f"convolutions are {100 * share:.0f} % of a call of the demo model: at most {bound:.2f}x")
    if options.output:
        facts = {"threads": torch.get_num_threads(), "share": round(share, 2), "bound": round(bound, 2)}
        options.output.write_text(json.dumps(facts | {"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
