"""H.264 and its successors on the GPU (NVENC, NVDEC), where PyAV and the driver offer them, beside the CPU's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.codec.hwaccel import HWAccel

from .sections import Bench, Case, LeftOutError, Row

ENCODERS = ("libx264", "h264_nvenc", "hevc_nvenc", "av1_nvenc")
RATE = 25


def cases(bench: Bench) -> Iterator[Case]:
    """Encoders, then decoders of the CPU's file."""
    for name in ENCODERS:
        yield Case(f"encode with {name}", partial(encode, bench, name))
    yield Case("decode on the CPU", partial(decode, bench, None))
    yield Case("decode with NVDEC", partial(decode, bench, "cuda"))


def encode(bench: Bench, name: str) -> Row:
    """Frames a second from arrays to a file."""
    check_gpu(bench, name.endswith("nvenc"))
    if name not in av.codecs_available:
        raise LeftOutError(f"PyAV was built without {name}")
    frames = moving_stripes(bench)
    begun = time.perf_counter()
    try:
        write(clip(bench, name), frames, name)
    except (av.FFmpegError, OSError) as error:
        if name.endswith("nvenc"):
            raise LeftOutError(f"the device does not encode: {error}") from error
        raise
    return {"frames_per_second": len(frames) / (time.perf_counter() - begun)}


def decode(bench: Bench, device: str | None) -> Row:
    """Frames a second from the file to RGB arrays; the GPU decodes or it is left out: PyAV may not fall back."""
    check_gpu(bench, device is not None)
    path = clip(bench, "libx264")
    if not path.is_file():
        write(path, moving_stripes(bench), "libx264")
    begun = time.perf_counter()
    try:
        hardware = None if device is None else HWAccel(device_type=device, allow_software_fallback=False)
        with av.open(str(path), hwaccel=hardware) as container:
            count = sum(frame.to_ndarray(format="rgb24").ndim > 0 for frame in container.decode(video=0))
    except (av.FFmpegError, RuntimeError) as error:
        if device is not None:
            raise LeftOutError(f"the device does not decode: {error}") from error
        raise
    return {"frames_per_second": count / (time.perf_counter() - begun)}


def write(path: Path, frames: list[np.ndarray], name: str) -> None:
    """Encode frames (H, W, 3) uint8."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(name, rate=Fraction(RATE))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def moving_stripes(bench: Bench) -> list[np.ndarray]:
    """A smooth image with some noise that wanders to the side."""
    size, random = bench.sizes.codec_size, np.random.default_rng(0)
    waves = np.sin(np.arange(size) / 9)[None, :, None] * np.cos(np.arange(size) / 13)[:, None, None]
    image = (127 + 90 * waves + random.normal(0, 6, (size, size, 3))).clip(0, 255).astype(np.uint8)
    return [np.roll(image, 2 * index, axis=1) for index in range(bench.sizes.codec_frames)]


def clip(bench: Bench, name: str) -> Path:
    """Where an encoder writes."""
    return bench.folder / f"{name}.mkv"


def check_gpu(bench: Bench, is_needed: bool) -> None:
    """Raise LeftOutError where NVENC or NVDEC is asked of a CPU."""
    if is_needed and bench.device.type != "cuda":
        raise LeftOutError("needs an NVIDIA GPU")
