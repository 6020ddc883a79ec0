"""Driving clips for ComfyUI's input folder, and what a saved video holds."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from comfyui_process import ROOT

from diffusionact import OpenFaceTracker

DEMO_CLIP = ROOT / "diffusionact" / "demo" / "media" / "driving.mp4"
FRAME_RATE = Fraction(30000, 1001)
SAMPLE_RATE = 44100


def write_driver(path: Path, count: int, every: int = 1) -> Path:
    """Write a driver of `count` frames at 30000/1001 per second, with a tone: the demo clip, there and back again.

    Args:
        every: takes each n-th frame of the demo, for much motion in few frames.
    """
    frames = decode(DEMO_CLIP)[::every]
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": "18", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for index in range(count):
            position = index % (2 * len(frames))
            image = frames[min(position, 2 * len(frames) - 1 - position)]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
        time = np.arange(round(count / FRAME_RATE * SAMPLE_RATE)) / SAMPLE_RATE
        tone = av.AudioFrame.from_ndarray(np.sin(2764.6 * time, dtype=np.float32)[None] / 2, "fltp", "mono")
        tone.sample_rate = SAMPLE_RATE
        container.mux(sound.encode(tone))
        container.mux(sound.encode(None))
    return path


def decode(path: Path) -> list[np.ndarray]:
    """All frames, uint8 (H, W, 3)."""
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@dataclass(frozen=True)
class SavedVideo:
    """A file that ComfyUI saved."""

    frames: np.ndarray  # uint8 (F, H, W, 3)
    frame_rate: Fraction
    sound_seconds: float  # 0 without sound

    @classmethod
    def read(cls, path: Path) -> "SavedVideo":
        """Decode all of it."""
        with av.open(path) as container:
            rate = container.streams.video[0].average_rate
            sound = 0.0
            if container.streams.audio:
                sound = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
        return cls(np.stack(decode(path)), rate, sound)


def head_yaw_deg(frames: np.ndarray | list[np.ndarray]) -> np.ndarray:
    """(F,) how far the head is turned in each frame, as our tracker sees it."""
    images = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float()
    enlarged = torch.nn.functional.interpolate(images, 256).permute(0, 2, 3, 1).to(torch.uint8)
    return OpenFaceTracker("largest", "hold").observe(enlarged).head_pose[:, 0].numpy()
