"""Single files to look at or to ship: a contact sheet, a neutral portrait, a talking clip."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from .camera import Jitter
from .frames import Frame, identity_frames, render_frame, sample_portrait
from .head import Head
from .motion import ActionVector, FrameMotion

FRAME_RATE = 25
TINTS = np.array([[0, 0, 0], [0, 0, 90], [90, 0, 0]], np.uint8)  # background, person, face


def draw_truth(frame: Frame) -> np.ndarray:
    """The image with tinted labels, green landmarks and red pupils."""
    tinted = np.where(frame.labels[..., None] > 0, frame.image // 2, frame.image) + TINTS[frame.labels]
    image = Image.fromarray(tinted.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for x, y in frame.landmarks:
        draw.point((round(float(x)), round(float(y))), fill=(0, 255, 0))
    for x, y in frame.pupils:
        draw.ellipse((x - 1, y - 1, x + 1, y + 1), outline=(255, 60, 60))
    return np.asarray(image)


def write_sheet(
    head: Head, path: Path, seed: int, members: Iterable[int], frames: int, size: int, motion: str, truth: bool
) -> None:
    """one row per identity, one column per frame."""
    rows = []
    for identity in members:
        tiles = identity_frames(head, seed, identity, frames, size, motion)
        rows.append(np.concatenate([draw_truth(tile) if truth else tile.image for tile in tiles], 1))
    Image.fromarray(np.concatenate(rows)).save(path)


def neutral_motion(head: Head) -> FrameMotion:
    """Facing the camera with the trace of a smile."""
    expression = np.zeros(len(head.action_names), np.float32)
    actions = ActionVector(head.action_names, expression)
    actions.both("mouthSmile", 0.3)
    actions.both("cheekSquint", 0.12)
    return FrameMotion(np.zeros(3), np.zeros(2), expression, Jitter())


def write_image(head: Head, path: Path, seed: int, identity: int, size: int) -> None:
    """A neutral frontal portrait."""
    portrait = sample_portrait(head, np.random.default_rng((seed, identity)))
    Image.fromarray(render_frame(portrait, neutral_motion(head), size).image).save(path)


def write_clip(head: Head, path: Path, seed: int, identity: int, frames: int, size: int) -> None:
    """A talking sequence as H.264 at 25 frames per second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FRAME_RATE), options={"crf": "14", "preset": "slow"})
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for frame in identity_frames(head, seed, identity, frames, size, "sequence"):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, format="rgb24")))
        container.mux(stream.encode())
