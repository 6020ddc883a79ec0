"""Which number format and chunk size a device likes."""

from __future__ import annotations

import torch


def default_dtype(device: torch.device) -> torch.dtype:
    """The dtype in which a UNet runs fastest on `device` without visible loss."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "mps":
        return torch.float16
    # Without instructions for bfloat16 a CPU is slower with it than with float32. Older versions of torch cannot tell.
    probes = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return torch.bfloat16 if any(probe is not None and probe() for probe in probes) else torch.float32


def face_device(device: torch.device) -> torch.device:
    """Where faces are read and images are warped: `device` if that is sure to have the operators, else the CPU.

    Those of Apple (mps) lack some: sampling beyond an image's border until after torch 2.9, solving until 2.7.
    """
    return device if device.type == "cuda" else torch.device("cpu")
