"""Clips of photos as a frame set: faces are read here, and every frame of a clip is cut with the crop of its source.

So the background stands still in the crop, as it does when a photo is re-enacted, and the photo itself is at hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.shards import FaceRecord, FrameFacts
from ..face.errors import NoFaceFoundError
from ..face.expression_names import EXPRESSION_NAMES
from ..face.geometry.alignment import blurred_share, crop_transform, cut_crop, invert_transform, transform_points
from ..face.geometry.resize import resize_transform
from ..face.readers.open.face_model import ALIGNED_SIZE, OpenFaceModel
from ..face.readers.open.reader import fit_in_crop
from ..face.readers.open.tracking import OpenFaceTracker
from ..types import CropTransform, FaceObservation, concatenate, map_tensors
from ..video import open_frames
from .frame_set import FrameSet, Photo, Video, spaced_positions

CLIP_SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".webp"}
# Below this the face reader is unsure, and what it says of a frame is no truth.
MIN_CONFIDENCE = 0.7
# Of longer clips the first so many frames are taken.
MAX_FRAMES = 240
# Between two frames of one shot the face's crop moves by less than this share of its side and grows by less than this.
MAX_MOVE, MAX_GROWTH = 0.5, 1.5


@dataclass(frozen=True)
class ClipFrame:
    """A frame of a clip; see `KnownFrame`.

    Attributes:
        facts: what the face reader saw, px of the aligned image.
        aligned: (H, H, 3) uint8.
        path: of the clip.
        crop: frame -> aligned image, one row.
        frame_size: height and width of the whole frame, px.
    """

    facts: FrameFacts
    aligned: np.ndarray
    path: Path
    crop: CropTransform
    frame_size: tuple[int, int]

    def image(self) -> np.ndarray:
        """See `KnownFrame`."""
        return self.aligned

    def real(self, size: int) -> np.ndarray:
        """See `KnownFrame`; the outermost half pixel of a frame is mixed with padding and does not count."""
        axis = torch.arange(size, dtype=torch.float32)
        pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).reshape(1, -1, 2)
        x, y = transform_points(invert_transform(self.crop.matrix), pixels)[0].unbind(-1)
        height, width = self.frame_size
        inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
        return inside.reshape(size, size).numpy()

    def scored(self, size: int) -> np.ndarray:
        """See `KnownFrame`."""
        blank = torch.zeros(*self.frame_size, 3, dtype=torch.uint8)
        return self.real(size) & (blurred_share(blank, self.crop, size).numpy() == 0)

    def photo(self) -> Photo:
        """See `KnownFrame`; the clip is read again up to this frame."""
        image = next(islice(open_frames(self.path), self.facts.frame, None))
        return Photo(self.facts.key, image, self.crop)


@dataclass(frozen=True)
class ReadClip:
    """The usable frames of a clip.

    Attributes:
        path: of the clip.
        numbers: of the frames, from 0, in order.
        faces: a row each, px of the whole frames.
        looked_at: how many frames were looked at.
        crop: whole frame -> aligned image, one row; None as long as it is not chosen.
    """

    path: Path
    numbers: tuple[int, ...]
    faces: FaceObservation
    looked_at: int
    crop: CropTransform | None = None


def load_clip_set(
    paths: Sequence[Path], size: int = 256, videos: int | None = None, frames_per_video: int | None = None
) -> FrameSet:
    """Read clips that show one person each.

    Frames are left out, and counted in the notes, where the face reader is unsure, where the shot changes, and where
    the face leaves the crop of the source: the frame that is nearest to the front.

    Args:
        paths: clips, or folders of clips.
        size: side of the aligned images, px.
        videos: at most so many clips, the first; None takes all.
        frames_per_video: of each clip keep so many evenly spaced frames, and as many neighbouring ones; None keeps all.

    Raises:
        FileNotFoundError: if nothing lies at a path.
        ValueError: if a clip cannot be read, two have one name, or no clip shows a face in two frames.
    """
    found = list_clips(paths)[:videos]
    face_model, frames, used = OpenFaceModel.from_bundled(), [], []
    looked_at = kept = 0
    for path in found:
        clip = read_clip(path)
        looked_at += clip.looked_at if clip else 0
        if clip is None or not clip.numbers:
            continue
        clip = inside_crop(clip, size)
        kept += len(clip.numbers)
        if len(clip.numbers) > 1:
            _add_clip(clip, face_model, frames_per_video, frames, used)
    if not used:
        raise ValueError(
            f"Expected clips that show a face in at least two frames, received {len(found)} without any. Check the "
            "clips, or raise --frames-per-video."
        )
    note = (
        f"Of {looked_at} frames of the clips {looked_at - kept} are left out: no face, a confidence of the face reader "
        f"below {MIN_CONFIDENCE}, another shot, or a face that leaves the source's crop."
    )
    return FrameSet(frames, used, list(EXPRESSION_NAMES), _fingerprint(found, size), has_photos=True, notes=[note])


def list_clips(paths: Sequence[Path]) -> list[Path]:
    """Clips, and those in folders in the order of their names; a folder of images is a clip.

    Raises:
        FileNotFoundError: if nothing lies at a path.
        ValueError: if two clips have one name.
    """
    clips: dict[str, Path] = {}
    for path in paths:
        inside = sorted(child for child in path.glob("*") if child.suffix.lower() in CLIP_SUFFIXES)
        # A folder of WebP images is a clip; one of WebP animations holds clips.
        inside = [child for child in inside if open_frames(child).frame_count != 1]
        for clip in inside or [path]:
            if clip.stem in clips:
                raise ValueError(
                    f"Expected clips with names of their own, received {str(clips[clip.stem])!r} and {str(clip)!r}. "
                    "Rename one."
                )
            clips[clip.stem] = clip
    for clip in clips.values():
        if not clip.exists():
            raise FileNotFoundError(
                f"Expected a clip or a folder of clips, received {str(clip)!r} where nothing lies. Check --clips."
            )
    return list(clips.values())


@torch.no_grad()
def read_clip(path: Path) -> ReadClip | None:
    """Follow the face of a clip, and keep the longest shot of frames in which the face reader is sure; None without."""
    tracker = OpenFaceTracker("follow", "hold")
    try:
        faces = concatenate(list(tracker.stream(islice(open_frames(path), MAX_FRAMES))))
    except NoFaceFoundError:
        return None
    sure = (faces.found & (faces.confidence >= MIN_CONFIDENCE)).nonzero()[:, 0].tolist()
    numbers = longest_shot(sure, crop_transform(faces.landmarks, ALIGNED_SIZE))
    return ReadClip(path, tuple(numbers), map_tensors(faces, lambda values: values[numbers]), len(faces.found))


def longest_shot(numbers: Sequence[int], crops: CropTransform) -> list[int]:
    """The longest run of frames between which the face does not jump.

    Args:
        numbers: of the frames that may be taken, in order.
        crops: a row for every frame.
    """
    middle = crops.matrix.new_full((1, 1, 2), (crops.size - 1) / 2)
    centres = transform_points(invert_transform(crops.matrix), middle)[:, 0]
    sides = crops.size / crops.matrix[:, :, 0].norm(dim=-1)
    shots: list[list[int]] = [[]]
    for number in numbers:
        if shots[-1]:
            last = shots[-1][-1]
            growth = float(torch.maximum(sides[number] / sides[last], sides[last] / sides[number]))
            if float((centres[number] - centres[last]).norm()) > MAX_MOVE * float(sides[last]) or growth > MAX_GROWTH:
                shots.append([])
        shots[-1].append(number)
    return max(shots, key=len)


def inside_crop(clip: ReadClip, size: int) -> ReadClip:
    """The same clip, cut with the crop of the frame that is nearest to the front, without faces that leave the crop."""
    front = nearest_to_front(clip.faces.head_pose)
    crop = crop_transform(clip.faces.landmarks[front : front + 1], size)
    points = transform_points(crop.matrix, clip.faces.landmarks)
    rows = ((points >= 0) & (points <= size - 1)).all(dim=-1).all(dim=-1).nonzero()[:, 0].tolist()
    return replace(
        clip,
        numbers=tuple(clip.numbers[row] for row in rows),
        faces=map_tensors(clip.faces, lambda values: values[rows]),
        crop=crop,
    )


def cut_frames(clip: ReadClip, positions: Sequence[int], face_model: OpenFaceModel) -> list[ClipFrame]:
    """Cut some of a clip's usable frames, positions in order."""
    wanted = {clip.numbers[position]: position for position in positions}
    frames = []
    for number, image in enumerate(islice(open_frames(clip.path), MAX_FRAMES)):
        if number in wanted:
            row = slice(wanted[number], wanted[number] + 1)
            face = map_tensors(clip.faces, lambda values, row=row: values[row])
            facts = _facts(clip.path, number, face, clip.crop, face_model)
            aligned = cut_crop(image, clip.crop, clip.crop.size).numpy()
            frames.append(ClipFrame(facts, aligned, clip.path, clip.crop, tuple(image.shape[:2])))
    return frames


def nearest_to_front(head_pose: Tensor) -> int:
    """Row of the head pose (B, 3) in degrees that is turned and nodded least; roll does not count."""
    return int(head_pose[:, :2].norm(dim=-1).argmin())


def _facts(
    path: Path, number: int, face: FaceObservation, crop: CropTransform, face_model: OpenFaceModel
) -> FrameFacts:
    fitted = fit_in_crop(face_model, face, crop)
    seen = map_tensors(fitted.observation, lambda values: values[0].float().cpu())
    camera_crop = resize_transform(crop.size, ALIGNED_SIZE)[0].numpy()
    return FrameFacts(
        identity=path.stem,
        video=path.stem,
        clip=path.stem,
        frame=number,
        split="test",
        landmarks=seen.landmarks.numpy(),
        pupils=seen.pupils.numpy(),
        head_pose=seen.head_pose.numpy(),
        gaze=seen.gaze.numpy(),
        expression=seen.expression.numpy(),
        face=FaceRecord("open", fitted.coefficients, crop.matrix[0].numpy(), camera_crop),
    )


def _add_clip(
    clip: ReadClip, face_model: OpenFaceModel, count: int | None, frames: list[ClipFrame], videos: list[Video]
) -> None:
    """Append the frames that are used, and their video."""
    source = nearest_to_front(clip.faces.head_pose)
    neighbours = neighbouring(clip.numbers, source, count)
    spaced = spaced_positions(len(clip.numbers), count)
    rows = {position: len(frames) + row for row, position in enumerate(sorted({source, *spaced, *neighbours}))}
    frames.extend(cut_frames(clip, list(rows), face_model))
    name = clip.path.stem
    videos.append(
        Video(name, name, tuple(rows[i] for i in spaced), tuple(rows[i] for i in neighbours), source=rows[source])
    )


def neighbouring(numbers: Sequence[int], source: int, count: int | None) -> list[int]:
    """Positions of the longest run of neighbouring frames without the source, at most `count` of them."""
    runs: list[list[int]] = [[]]
    for position, number in enumerate(numbers):
        if position == source or (runs[-1] and number != numbers[runs[-1][-1]] + 1):
            runs.append([])
        if position != source:
            runs[-1].append(position)
    return max(runs, key=len)[:count]


def _fingerprint(clips: Sequence[Path], size: int) -> str:
    digest = hashlib.sha256(f"clips at {size} px without blurred rims\n".encode())
    for clip in clips:
        length = sum(file.stat().st_size for file in ([clip] if clip.is_file() else sorted(clip.iterdir())))
        digest.update(f"{clip.name} {length}\n".encode())
    return digest.hexdigest()[:16]
