"""Several faces of an image: who drives which, and the stream of whole frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

from comfy_api.latest import Input
from torch import Tensor

from ...diffusionact import PoseOptions
from ...diffusionact.face.readers.reader import FaceReader
from ...diffusionact.generation import Sampling
from ...diffusionact.pipelines.group_drivers import GroupTiming, group_poses, wanted_faces
from ...diffusionact.pipelines.group_photo import GroupPhoto
from .model_management import LoadedModel
from .progress import NodeProgress
from .video import DrivingClip, open_driving

CLIPS = ("driving_1", "driving_2", "driving_3")
DEFAULT_SECONDS = 4.0
MAX_DENOMINATOR = 1001


@dataclass(frozen=True)
class GroupPlan:
    """What happens in a group.

    Attributes:
        words: FACE=WHAT, one for each face.
        clips: the connected clips by name, at one rate.
        timing: how they play together.
    """

    words: tuple[str, ...]
    clips: Mapping[str, DrivingClip]
    timing: GroupTiming

    @classmethod
    def of(
        cls,
        faces: str,
        videos: Mapping[str, Input.Video | None],
        seconds: float,
        frame_rate: float,
        driver_end: str,
    ) -> GroupPlan:
        """From the node's inputs.

        Raises:
            ValueError: if no face is named.
        """
        words = tuple(line.strip() for line in faces.splitlines() if line.strip())
        if not words:
            raise ValueError("Expected a line for each face, such as 0 = laugh, received none. Write one into faces.")
        clips: dict[str, DrivingClip] = {}
        rate = None
        for name in (name for name in CLIPS if videos.get(name) is not None):
            clips[name] = open_driving(videos[name], constant_rate=rate)
            rate = rate or clips[name].frame_rate
        rate = rate or Fraction(frame_rate).limit_denominator(MAX_DENOMINATOR)
        counts = [clip.frame_count for clip in clips.values()]
        count = max(1, round((seconds or DEFAULT_SECONDS) * rate))
        if counts and not seconds:
            count = min(counts) if driver_end == "stop" else max(counts)
        return cls(words, clips, GroupTiming(rate, count, driver_end))

    @property
    def sound(self) -> DrivingClip:
        """Rate and sound of the output; its frames show at the rate."""
        silent = DrivingClip((), self.timing.frame_count, self.timing.frame_rate)
        return replace(next(iter(self.clips.values()), silent), frames=(), frame_rate=self.timing.frame_rate)


def group_video(
    model: LoadedModel, reader: FaceReader, image: Tensor, plan: GroupPlan, sampling: Sampling
) -> Iterator[Tensor]:
    """Yield whole frames uint8 (H, W, 3); nothing grows with their number.

    Raises:
        NoFaceFoundError: if the image has no such face.
        FileNotFoundError: if a line names what is neither a connected clip nor a motion.
    """
    pipeline = model.pipeline.with_face_reader(reader)
    wanted = wanted_faces(pipeline, image, plan.words)
    model.load(1)
    group = GroupPhoto(pipeline, image, list(wanted))
    clips = {name: clip.frames for name, clip in plan.clips.items() if name in wanted.values()}
    poses = group_poses(pipeline, group.sources, wanted.values(), clips, PoseOptions(), plan.timing)
    frames = islice(group.stream(poses, sampling), plan.timing.frame_count)
    yield from NodeProgress(plan.timing.frame_count).watch(frames)
