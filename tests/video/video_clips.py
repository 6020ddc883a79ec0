"""Small clips made with PyAV itself, not with the writer under test."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

SAMPLE_RATE = 44100


def moving_square(index: int, height: int = 48, width: int = 64) -> torch.Tensor:
    """A dark green frame (H, W, 3) uint8 with a bright square that moves 2 px a frame."""
    frame = torch.full((height, width, 3), 40, dtype=torch.uint8)
    frame[..., 1] = 90
    left = (2 * index) % (width - 16)
    frame[16:32, left : left + 16] = torch.tensor([220, 180, 60], dtype=torch.uint8)
    return frame


def sine(seconds: float, frequency: float = 440.0) -> np.ndarray:
    """(1, samples) float32."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return 0.5 * np.sin(2 * np.pi * frequency * time, dtype=np.float64).astype(np.float32)[None]


def encode_sound(container, stream, samples: np.ndarray, start: Fraction) -> None:
    for begin in range(0, samples.shape[1], 1024):
        chunk = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, begin : begin + 1024]), "fltp", "mono")
        chunk.sample_rate, chunk.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
        chunk.pts = begin + round(start * SAMPLE_RATE)
        container.mux(stream.encode(chunk))
    container.mux(stream.encode(None))


def write_clip(
    path: Path,
    count: int = 30,
    rate: Fraction = Fraction(30000, 1001),
    codec: str = "aac",
    sound_s: float = 0.0,
    times_ms: list[int] | None = None,
    size: tuple[int, int] = (48, 64),
    options: dict[str, str] | None = None,
    start: Fraction = Fraction(0),
) -> Path:
    """Write moving squares at a constant rate, or at `times_ms`; images and sound begin at `start` seconds."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "10", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        time_base = Fraction(1, 1000) if times_ms else 1 / rate
        stream.time_base = stream.codec_context.time_base = time_base
        sound = container.add_stream(codec, rate=SAMPLE_RATE, layout="mono") if sound_s else None
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(moving_square(index, *size).numpy(), format="rgb24")
            frame.pts = (times_ms[index] if times_ms else index) + round(start / time_base)
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            encode_sound(container, sound, sine(sound_s), start)
    return path
