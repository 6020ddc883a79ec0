"""Several faces of a clip: each keeps its number through the clip, and takes what it should of a driver of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat

from torch import Tensor

from ..face.errors import NoFaceFoundError
from ..face.pose.options import DEFAULT_POSE_OPTIONS, PoseOptions
from ..face.readers.tracks import make_group_follower
from ..generation import Sampling
from .group_drivers import ALL, face_and_driver, faces_of_word
from .group_photo import GroupPhoto
from .reenactment import DiffusionActPipeline
from .source_video import FrameDriver, FrameEdit, SceneFrame, changed_face_of, keeping_heads, stilled

logger = logging.getLogger(__name__)

# What stands for a face that keeps its own pose, and of which only eyes and mouth are changed.
OWN = "own"


@dataclass(frozen=True)
class ClipCast:
    """Who drives which face of a clip.

    Attributes:
        by_face: number of a face -> name of its driver. The faces of the first frame come first, the largest is 0;
            others are numbered as they come.
        others: name of the driver of all other faces; None where they stay as they are.
    """

    by_face: Mapping[int, str]
    others: str | None = None

    @classmethod
    def of(cls, pipeline: DiffusionActPipeline, first: Tensor, words: Iterable[str]) -> ClipCast:
        """From "FACE=WHAT", with a number, a point "X,Y" px of the first frame or "all"; the later word counts.

        Args:
            pipeline: whose reader finds the faces.
            first: uint8 (H, W, 3), the clip's first frame.
            words: of the faces.

        Raises:
            NoFaceFoundError: if a point is given and the frame shows no face.
            ValueError: if a word is none of these.
        """
        by_face: dict[int, str] = {}
        others = None
        for word in words:
            face, driver = face_and_driver(word)
            if face == ALL:
                by_face, others = {}, driver
            else:
                by_face |= dict.fromkeys(faces_of_word(pipeline, first, face), driver)
        return cls(by_face, others)

    @property
    def drivers(self) -> list[str]:
        """All names, each once."""
        names = [*self.by_face.values(), *([] if self.others is None else [self.others])]
        return list(dict.fromkeys(names))

    def driver_of(self, face: int) -> str | None:
        """The name of a face's driver; None where it stays as it is."""
        return self.by_face.get(face, self.others)


def stream_group_clip(
    pipeline: DiffusionActPipeline,
    frames: Iterable[Tensor],
    cast: ClipCast,
    drivers: Mapping[str, FrameDriver],
    options: PoseOptions = DEFAULT_POSE_OPTIONS,
    frame_rate: float = 25.0,
    edit: FrameEdit = FrameEdit(),  # noqa: B008 - frozen
    sampling: Sampling = Sampling(),  # noqa: B008 - frozen
    num_inversion_steps: int | None = None,
    feather: float = 0.1,
    keeps_head: bool = False,
    stillness: Iterable[float] | None = None,
) -> Iterator[SceneFrame]:
    """Yield the whole frames of a clip in which several faces move, until it or one of the drivers ends.

    Faces are laid back from the farthest to the nearest. They may leave and come back; a driver goes on meanwhile.

    Args:
        pipeline: any engine.
        frames: uint8 (H, W, 3), the clip's, read lazily; one of them is in memory.
        cast: who drives which face.
        drivers: of the names in the cast, see `source_video`; one may drive many faces, and is asked once per frame.
        options: smoothing and threshold of the reading of the clip's faces.
        frame_rate, edit, sampling, num_inversion_steps, feather, keeps_head, stillness: as for `stream_source_video`,
            for all faces that are driven.

    Raises:
        NoFaceFoundError: at the end, if no frame showed a face that is driven.
    """
    pipeline, still = keeping_heads(pipeline) if keeps_head else pipeline, iter(stillness or repeat(0.0))
    wanted = None if cast.others is not None else tuple(cast.by_face)
    follower, seen = make_group_follower(pipeline.face_reader, options, frame_rate, wanted), set()
    for frame in frames:
        moments, at_rest = {name: next(driver, None) for name, driver in drivers.items()}, next(still, 1.0)
        if None in moments.values():
            break
        sources, poses = [], []
        for number, face in follower(frame).items():
            change, own_edit = moments[cast.driver_of(number)], stilled(edit, at_rest)
            source, pose = changed_face_of(pipeline, frame, face, change, own_edit, num_inversion_steps)
            sources.append(source)
            poses.append(pose)
            seen.add(number)
        if not sources:
            yield SceneFrame(frame.cpu(), False)
            continue
        group = GroupPhoto.of_sources(pipeline, frame, sources, feather)
        yield SceneFrame(group.frame(poses, sampling), True)
    _check_seen(cast, seen)


def _check_seen(cast: ClipCast, seen: set[int]) -> None:
    if not seen:
        raise NoFaceFoundError(
            f"Expected a clip with the faces {list(cast.by_face) or ALL}, received one without them. Faces are "
            "numbered from 0 in the first frame, largest first; choose others."
        )
    for face in sorted(set(cast.by_face) - seen):
        logger.warning("Face %d was seen in no frame; it stays as it is", face)
