"""Who drives which face of a group: words such as "0=clip" to faces, and clips and motions to poses of each face."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from ..face.pose.extraction import PoseExtractor
from ..face.pose.options import PoseOptions
from ..face.readers.reader import CroppedFace
from ..motion import Timeline, load_script, script_poses
from ..types import FacePose, SourceCodes
from .group_photo import face_at
from .reenactment import DiffusionActPipeline
from .source_video import extended

ALL = "all"


@dataclass(frozen=True)
class GroupTiming:
    """How the drivers of a group play together.

    Attributes:
        frame_rate: of all of them, frames per second.
        frame_count: of the output, for motions.
        end: what becomes of clips that are shorter, one of `source_video.ENDS`.
        seed: of motions; None leaves their own.
        is_seamless: motions can be played in a loop.
    """

    frame_rate: Fraction
    frame_count: int
    end: str = "stop"
    seed: int | None = None
    is_seamless: bool = False


def wanted_faces(pipeline: DiffusionActPipeline, photo: Tensor, words: Iterable[str]) -> dict[int, str]:
    """Index of each face that moves -> what drives it; of two words for one face the later counts.

    Args:
        pipeline: whose reader finds the faces.
        photo: uint8 (H, W, 3).
        words: "FACE=WHAT", with a number, a point "X,Y" px or "all" for the face.

    Raises:
        NoFaceFoundError: if a point is given and the photo shows no face.
        ValueError: if a word is none of these.
    """
    wanted: dict[int, str] = {}
    for word in words:
        face, what = face_and_driver(word)
        for index in faces_of_word(pipeline, photo, face):
            wanted[index] = what
    return wanted


def face_and_driver(word: str) -> tuple[str, str]:
    """Both sides of "FACE=WHAT".

    Raises:
        ValueError: if one is absent.
    """
    face, _, what = (part.strip() for part in word.partition("="))
    if not face or not what:
        raise ValueError(f"Expected FACE=WHAT, such as 0=laugh, received {word!r}. Correct it.")
    return face, what


def faces_of_word(pipeline: DiffusionActPipeline, photo: Tensor, word: str) -> list[int]:
    """Indices of the faces that a number, a point "X,Y" px or "all" names in a photo uint8 (H, W, 3).

    Raises:
        NoFaceFoundError: if a point is given and the photo shows no face.
        ValueError: if the word is none of these.
    """
    if word == ALL:
        return list(range(len(pipeline.face_reader.faces_in(photo.to(pipeline.face_device)))))
    if word.isdecimal():
        return [int(word)]
    try:
        x, y = map(float, word.split(","))
    except ValueError as error:
        raise ValueError(f"Expected a face as number, point X,Y or {ALL}, received {word!r}. Correct it.") from error
    return [face_at(pipeline, photo, x, y)]


def group_poses(
    pipeline: DiffusionActPipeline,
    sources: Iterable[SourceCodes],
    drivers: Iterable[str],
    clips: Mapping[str, Iterable[Tensor]],
    options: PoseOptions,
    timing: GroupTiming,
) -> list[Iterator[FacePose]]:
    """Poses of each face, one row per frame, lazily; to be asked in step, as then nothing is kept.

    Args:
        pipeline: reads the clips.
        sources: of the faces.
        drivers: what drives each: a name in `clips`, else a motion as for `load_script`.
        clips: frames uint8 (H, W, 3) by name; each is read once, whoever it drives.
        options: how clips are read.
        timing: how they play together.

    Raises:
        FileNotFoundError: if there is no such motion.
    """
    names = list(drivers)
    copies = {name: iter(_read(pipeline, clips[name], options, timing, names.count(name))) for name in clips}
    poses: list[Iterator[FacePose]] = []
    for source, name in zip(sources, names, strict=True):
        if name in copies:
            poses.append(_clip_poses(pipeline, next(copies[name]), source, options))
            continue
        seconds = timing.frame_count / timing.frame_rate
        script = load_script(name).seeded(timing.seed)
        timeline = Timeline.of(script, timing.frame_rate, float(seconds), timing.is_seamless)
        poses.append(script_poses(pipeline.face_reader.face_model, source, timeline))
    return poses


def _read(
    pipeline: DiffusionActPipeline, clip: Iterable[Tensor], options: PoseOptions, timing: GroupTiming, copies: int
) -> tuple[Iterator[CroppedFace], ...]:
    seen = (frame.to(pipeline.face_device) for frame in clip)
    faces = pipeline.face_reader.read(seen, options, float(timing.frame_rate))
    return itertools.tee(extended(faces, timing.end), copies)


def _clip_poses(
    pipeline: DiffusionActPipeline, faces: Iterator[CroppedFace], source: SourceCodes, options: PoseOptions
) -> Iterator[FacePose]:
    reader = pipeline.face_reader
    poses = PoseExtractor(reader.face_model, reader.camera_frame, pipeline.landmark_frame, options).stream(
        faces, source
    )
    while True:
        with torch.no_grad():  # not around a yield, where it would hold for whoever asks
            pose = next(poses, None)
        if pose is None:
            return
        yield pose
