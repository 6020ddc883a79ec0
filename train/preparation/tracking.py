"""One clip -> its frames: tracked, cut to aligned images, with coefficients, in px of the image that is kept.

A clip is read twice: once to track, once to cut. So no frames are kept in memory, and a clip that breaks in the middle
is known before anything of it is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from diffusionact.data.shards import FaceRecord, ShardFrame
from diffusionact.face.geometry.alignment import compose_transforms, cut_crop, invert_transform, transform_points
from diffusionact.face.geometry.resize import resize_crop, resize_transform
from diffusionact.face.pose.options import PoseOptions
from diffusionact.face.readers.choice import FOLLOWING_PATIENCE
from diffusionact.face.readers.open.reader import rotate_head_pose
from diffusionact.face.readers.reader import CroppedFace, FaceReader
from diffusionact.images import load_image, model_to_uint8, resize, uint8_to_model
from diffusionact.types import CropTransform, map_tensors
from diffusionact.video import open_frames
from diffusionact.video.reading import STILL_FRAME_RATE

from .clips import Clip

# Between two frames that follow each other, the same person's crop moves less than this share of its side, and its side
# changes by less than this factor; else the video was cut.
MAX_MOVE = 0.5
MAX_GROWTH = 1.5
# Every frame stands for itself: no smoothing, and filled gaps are left out afterwards.
OPTIONS = PoseOptions(face="follow", missing="hold", driver_crop="frame", smoothing=0.0)


@dataclass(frozen=True)
class Sampling:
    """Which frames of a clip are taken, and how they are kept.

    Attributes:
        size: side of the images, pixels.
        every: one frame in so many.
        max_frames: at most so many frames of a clip, evenly spaced; 0 is no limit.
        already_cropped: keep the images as they are; they are aligned faces.
    """

    size: int
    every: int = 1
    max_frames: int = 0
    already_cropped: bool = False


@dataclass(frozen=True)
class TrackedClip:
    """A clip and the faces in it.

    Attributes:
        clip: what was tracked.
        step: every so-manieth frame was looked at.
        faces: (frame number, face on the CPU), in order; frames without the face are left out.
        num_seen: frames that were looked at.
    """

    clip: Clip
    step: int
    faces: tuple[tuple[int, CroppedFace], ...]
    num_seen: int


@torch.no_grad()
def track_clip(reader: FaceReader, clip: Clip, sampling: Sampling) -> TrackedClip:
    """Find the person of a clip in its frames.

    Raises:
        NoFaceFoundError: if no frame shows a face.
        ValueError, OSError: if the clip cannot be read to its end.
    """
    step = frame_step(clip, sampling)
    frames = clip_frames(clip, step, sampling.max_frames)
    if is_kept(clip, sampling):
        frames = squares(frames)
    faces = [
        map_tensors(face, lambda values: values.cpu()) for face in reader.read(frames, OPTIONS, float(STILL_FRAME_RATE))
    ]
    found = [(row * step, face) for row, face in enumerate(faces) if bool(face.observation.found)]
    return TrackedClip(clip, step, tuple(longest_run(found, step)), len(faces))


def cut_frames(tracked: TrackedClip, sampling: Sampling, reader_name: str, split: str) -> Iterator[ShardFrame]:
    """Read the clip again and yield the frames in which the face was found."""
    clip, faces = tracked.clip, dict(tracked.faces)
    for row, frame in enumerate(clip_frames(clip, tracked.step, sampling.max_frames)):
        number = row * tracked.step
        if number in faces:
            make = keep if is_kept(clip, sampling) else cut
            image, to_image = make(frame, faces[number], sampling.size)
            yield describe(clip, number, image, faces[number], to_image, reader_name, split)


def is_kept(clip: Clip, sampling: Sampling) -> bool:
    """Whether the frames are aligned images that are not cut again."""
    return sampling.already_cropped or clip.is_cropped


def frame_step(clip: Clip, sampling: Sampling) -> int:
    """Every so-manieth frame to look at, so that `max_frames` reach over the whole clip."""
    if not sampling.max_frames:
        return sampling.every
    is_video = len(clip.paths) == 1
    count = open_frames(clip.paths[0]).frame_count if is_video else len(clip.paths)
    return max(sampling.every, math.ceil((count or 0) / sampling.max_frames))


def clip_frames(clip: Clip, step: int, max_frames: int) -> Iterable[Tensor]:
    """Frames (H, W, 3) uint8 of a clip, every `step`-th, at most `max_frames` if that is not 0."""
    stop = step * max_frames if max_frames else None
    if len(clip.paths) == 1:
        return islice(open_frames(clip.paths[0]), 0, stop, step)
    return (load_image(path) for path in clip.paths[:stop:step])


def longest_run(faces: Sequence[tuple[int, CroppedFace]], step: int) -> list[tuple[int, CroppedFace]]:
    """The longest stretch in which the face neither jumps nor is away for long, so that it is one person's.

    Args:
        faces: (frame number, face) of the frames in which a face was found.
        step: frames between two that were looked at.
    """
    runs: list[list[tuple[int, CroppedFace]]] = [[]]
    for number, face in faces:
        if runs[-1]:
            last_number, last = runs[-1][-1]
            if number - last_number > FOLLOWING_PATIENCE * step or is_jump(last.crop, face.crop):
                runs.append([])
        runs[-1].append((number, face))
    return max(runs, key=len)


def is_jump(before: CropTransform, after: CropTransform) -> bool:
    """Whether two crops (one row each) lie too far apart, or differ too much in size, to show a head that moved."""
    (centre, side), (next_centre, next_side) = _square(before), _square(after)
    growth = max(side / next_side, next_side / side)
    return math.dist(centre, next_centre) > MAX_MOVE * side or growth > MAX_GROWTH


def _square(crop: CropTransform) -> tuple[tuple[float, ...], float]:
    """Centre and side of a crop in its image, px."""
    middle = crop.matrix.new_full((1, 1, 2), (crop.size - 1) / 2)
    centre = transform_points(invert_transform(crop.matrix), middle)[0, 0]
    return tuple(centre.tolist()), crop.size / float(crop.matrix[0, :, 0].norm())


def cut(frame: Tensor, face: CroppedFace, size: int) -> tuple[Tensor, Tensor]:
    """The aligned image of a face, uint8 (size, size, 3), and the map (1, 2, 3) from the frame's px to its px."""
    return cut_crop(frame, face.crop, size), resize_crop(face.crop, size).matrix


def keep(frame: Tensor, face: CroppedFace, size: int) -> tuple[Tensor, Tensor]:
    """The square frame itself at `size`, and the map (1, 2, 3) from the frame's px to its px."""
    side = len(frame)
    kept = frame if side == size else model_to_uint8(resize(uint8_to_model(frame[None]), size))[0]
    return kept, resize_transform(side, size)


def squares(frames: Iterable[Tensor]) -> Iterator[Tensor]:
    """The same frames (H, W, 3).

    Raises:
        ValueError: at a frame that is not square.
    """
    for frame in frames:
        height, width = frame.shape[:2]
        if height != width:
            raise ValueError(
                f"Expected cropped images to be square, received {height} x {width} px (height x width). Prepare "
                "without --already-cropped."
            )
        yield frame


def describe(
    clip: Clip, number: int, image: Tensor, face: CroppedFace, to_image: Tensor, reader_name: str, split: str
) -> ShardFrame:
    """A frame for the shard; what was measured in the aligned crop is expressed in px of the image.

    Args:
        clip: of the frame.
        number: of the frame in the clip.
        image: uint8 (size, size, 3).
        face: one row.
        to_image: (1, 2, 3) px of the full frame -> px of the image.
        reader_name: of the face reader.
        split: of the clip.
    """
    inside = compose_transforms(to_image, invert_transform(face.crop.matrix))  # aligned crop -> image
    camera_crop = compose_transforms(face.camera_crop.matrix, invert_transform(inside))
    seen = face.observation
    return ShardFrame(
        identity=clip.identity,
        video=clip.video,
        clip=clip.name,
        frame=number,
        split=split,
        image=image.numpy(),
        landmarks=_row(transform_points(inside, seen.landmarks)),
        pupils=_row(transform_points(inside, seen.pupils)),
        head_pose=_row(rotate_head_pose(seen.head_pose, inside)),
        gaze=_row(seen.gaze),
        expression=_row(seen.expression),
        face=FaceRecord(
            reader_name,
            replace(face.coefficients, expression=seen.expression),
            _row(to_image),
            _row(camera_crop),
        ),
    )


def _row(values: Tensor) -> np.ndarray:
    return values[0].float().numpy()
