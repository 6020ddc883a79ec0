"""Devices: by name, and what each likes."""

from __future__ import annotations

import gc

import torch


def choose_device(name: str) -> torch.device:
    """Turn "auto", "cpu", "cuda:1", "mps" into a device that is there.

    Raises:
        ValueError: if there is no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).cpu()  # the device "meta" fails here: it holds no values
    except (RuntimeError, AssertionError, ImportError) as error:
        # torch raises an AssertionError or an ImportError where it was built without the backend.
        reason = str(error).splitlines()[0].split(". ")[0]
        raise ValueError(
            f"Expected a device of this machine, received {name!r} ({reason}). Use the device cpu."
        ) from error
    return device


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


def free_memory() -> None:
    """Give what nobody uses any more back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
