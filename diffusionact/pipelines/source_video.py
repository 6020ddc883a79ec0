"""A clip as the source: every frame keeps its own head, light and background, and takes what it should of a driver.

Each frame is a source of its own, encoded from what the face reader saw in it. Memory does not grow with the clip;
only frames before its first face wait for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat

import torch
from torch import Tensor

from ..checks import check_choice, check_in_range
from ..face.geometry.alignment import cut_crop
from ..face.geometry.gaze import MAX_GAZE_RAD
from ..face.paste_back import paste_back
from ..face.pose.editing import EXPRESSION_REGIONS, PoseMix, mix_poses, source_pose
from ..face.pose.extraction import PoseExtractor
from ..face.pose.options import DEFAULT_POSE_OPTIONS, PoseOptions
from ..face.pose.retargeting import face_pose
from ..face.readers.reader import CroppedFace, FaceModel, SourceFace
from ..generation import Sampling
from ..generation.warp import WarpEngine
from ..generation.whole_photo import WholePhoto, moves_whole
from ..motion.poses import moved_pose
from ..types import FacePose, SourceCodes
from .reenactment import DiffusionActPipeline

# What becomes of a driver that ends before the source does.
ENDS = ("stop", "hold", "loop", "ping-pong")
# Where the eyes sit in a turned head, they need not turn as far as it does to look into the camera.
CAMERA_SHARE = 0.8

# The pose that a face of one frame should have, of its codes and its own pose.
PoseChange = Callable[[SourceCodes, FacePose], FacePose]
# One for every frame of the source, also for those that show no face; where it ends, the clip does.
FrameDriver = Iterator[PoseChange]


@dataclass(frozen=True)
class FrameEdit:
    """What is changed of every frame after the driver.

    Attributes:
        eye_contact: in [0, 1], how far the eyes turn to the camera.
        blink_gain: factor on how closed the eyes are, 0 to 2; eyes that are shut in a frame cannot be opened.
        mouth_gain: factor on the mouth's expression, 0 (still) to 2.

    Raises:
        ValueError: if a value is out of range.
    """

    eye_contact: float = 0.0
    blink_gain: float = 1.0
    mouth_gain: float = 1.0

    def __post_init__(self) -> None:
        check_in_range("eye_contact", self.eye_contact, 0.0, 1.0)
        check_in_range("blink_gain", self.blink_gain, 0.0, 2.0)
        check_in_range("mouth_gain", self.mouth_gain, 0.0, 2.0)


@dataclass(frozen=True)
class SceneFrame:
    """One frame of `stream_source_video`.

    Attributes:
        image: uint8 (H, W, 3), the whole frame, on the CPU.
        found: whether a face was seen in the source's frame; without one the frame is as it was.
    """

    image: Tensor
    found: bool


def stream_source_video(
    pipeline: DiffusionActPipeline,
    frames: Iterable[Tensor],
    driver: FrameDriver,
    options: PoseOptions = DEFAULT_POSE_OPTIONS,
    frame_rate: float = 25.0,
    edit: FrameEdit = FrameEdit(),  # noqa: B008 - frozen
    sampling: Sampling = Sampling(),  # noqa: B008 - frozen
    num_inversion_steps: int | None = None,
    feather: float = 0.1,
    keeps_head: bool = False,
    stillness: Iterable[float] | None = None,
) -> Iterator[SceneFrame]:
    """Yield the whole frames of a source clip in other poses, until it or its driver ends.

    Args:
        pipeline: any engine; the engine `warp` moves each frame as a whole, others are pasted back.
        frames: uint8 (H, W, 3), the source's, read lazily.
        driver: says the poses, frame by frame, see `face_driver`, `motion_driver` and `no_driver`.
        options: how the source's faces are read: which face, smoothing, threshold.
        frame_rate: of the source, for the smoothing.
        edit: what else is changed.
        sampling: of engines that sample.
        num_inversion_steps: of engines that invert, for each frame; None takes the model's own number.
        feather: soft edge of a paste, share of the face's square.
        keeps_head: the driver moves no heads, which takes half the time with the engine `warp`.
        stillness: of the mouth in each frame, 0 to 1 (at rest), such as that of `video.silence`; None is 0.

    Raises:
        NoFaceFoundError: if no frame shows a face.
    """
    pipeline, still = keeping_heads(pipeline) if keeps_head else pipeline, iter(stillness or repeat(0.0))
    for frame, face in _with_faces(pipeline, frames, replace(options, missing="hold"), frame_rate):
        change, at_rest = next(driver, None), next(still, 1.0)
        if change is None:
            return
        if not bool(face.observation.found[0]):
            yield SceneFrame(frame.cpu(), False)
            continue
        source, pose = changed_face_of(pipeline, frame, face, change, stilled(edit, at_rest), num_inversion_steps)
        yield SceneFrame(_rendered(pipeline, frame, source, pose, sampling, feather), True)


def keeping_heads(pipeline: DiffusionActPipeline) -> DiffusionActPipeline:
    """The pipeline for sources whose heads stay where they are: the engine `warp` need not cut the person out."""
    engine = pipeline.engine
    return pipeline.with_engine(engine.without_matte()) if isinstance(engine, WarpEngine) else pipeline


def changed_face_of(
    pipeline: DiffusionActPipeline,
    frame: Tensor,
    face: CroppedFace,
    change: PoseChange,
    edit: FrameEdit,
    num_inversion_steps: int | None = None,
) -> tuple[SourceCodes, FacePose]:
    """A face of a frame uint8 (H, W, 3) as a source, and the pose that it should have."""
    seen = SourceFace(cut_crop(frame, face.crop, face.crop.size), face)
    source = pipeline.encode_face(frame, seen, num_inversion_steps)
    model = pipeline.face_reader.face_model
    return source, edited_frame(model, change(source, source_pose(model, source)), edit)


def stilled(edit: FrameEdit, stillness: float) -> FrameEdit:
    """An edit whose mouth is nearer to its rest, by a share from 0 to 1."""
    return replace(edit, mouth_gain=edit.mouth_gain * (1.0 - stillness)) if stillness else edit


def face_driver(
    pipeline: DiffusionActPipeline,
    faces: Iterable[CroppedFace],
    options: PoseOptions,
    mix: PoseMix,
    end: str = "stop",
) -> FrameDriver:
    """A driver of faces that were read in a clip, one for each frame of the source.

    Args:
        pipeline: whose reader read them.
        faces: one row each, read lazily, in step with the source; those of a clip that comes again are kept, 2 kB each.
        options: relative or absolute, and the reference frame, which must not lie beyond the driver's end.
        mix: what is taken of the driver; the rest stays the source's own.
        end: what becomes of a driver that is shorter, one of ENDS.

    Raises:
        ValueError: if there is no such end, or as for `PoseExtractor.stream`.
    """
    check_choice("driver_end", end, ENDS)
    extractor = PoseExtractor(
        pipeline.face_reader.face_model, pipeline.face_reader.camera_frame, pipeline.landmark_frame, options
    )
    model = pipeline.face_reader.face_model

    def moments() -> Iterator[PoseChange]:
        following, reference = extractor.with_reference(extended(iter(faces), end))
        for face in following:
            yield partial(change, face, reference)

    def change(face: CroppedFace, reference: CroppedFace | None, source: SourceCodes, own: FacePose) -> FacePose:
        return mix_poses(model, own, extractor.pose(face, source, reference), mix)

    return moments()


def motion_driver(face_model: FaceModel, frames: Iterable[Mapping[str, float]]) -> FrameDriver:
    """A driver of a motion's values, which are added to each frame's own pose; see `motion.Timeline`."""

    def change(values: Mapping[str, float], source: SourceCodes, own: FacePose) -> FacePose:
        return moved_pose(face_model, own, values)

    return (partial(change, values) for values in frames)


def no_driver() -> FrameDriver:
    """Every frame keeps its own pose."""
    return repeat(lambda source, own: own)


def edited_frame(face_model: FaceModel, pose: FacePose, edit: FrameEdit) -> FacePose:
    """A pose with its edit.

    Raises:
        ValueError: if eyes or mouth are changed and the face model's values have no names.
    """
    if edit == FrameEdit():
        return pose
    names = face_model.expression_names
    if not names and (edit.blink_gain, edit.mouth_gain) != (1.0, 1.0):
        raise ValueError(
            f"Expected a face model that tells eyes and mouth apart, received {face_model.name!r}. Use the reader "
            "'open', or leave blink_gain and mouth_gain at 1."
        )
    gains = pose.expression.new_tensor([_gain(name, edit) for name in names] or [1.0])
    coefficients = replace(pose.coefficients, expression=face_model.limit_expression(pose.expression * gains))
    camera = torch.deg2rad(CAMERA_SHARE * pose.head_pose[:, [1, 0]]).clamp(-MAX_GAZE_RAD, MAX_GAZE_RAD)
    gaze = torch.lerp(pose.gaze, camera, edit.eye_contact)
    return face_pose(face_model, coefficients, gaze, pose.found, pose.frame)


def _gain(name: str, edit: FrameEdit) -> float:
    if name.startswith("eyeBlink"):
        return edit.blink_gain
    others = tuple(beginning for beginnings in EXPRESSION_REGIONS.values() for beginning in beginnings)
    return 1.0 if name.startswith((*others, "cheek", "nose", "_")) else edit.mouth_gain


def _rendered(
    pipeline: DiffusionActPipeline,
    frame: Tensor,
    source: SourceCodes,
    pose: FacePose,
    sampling: Sampling,
    feather: float,
) -> Tensor:
    if moves_whole(pipeline.engine, source):
        whole = WholePhoto(pipeline.engine, source, frame)
        return whole.finish(whole.render(pose))
    conditioning = pipeline.reenact(source, pose)
    face = pipeline.decode(source, conditioning, sampling.num_inference_steps, sampling.scheduler)
    return paste_back(frame.to(face.device)[None], face, source.crop, feather)[0].cpu()


def _with_faces(
    pipeline: DiffusionActPipeline, frames: Iterable[Tensor], options: PoseOptions, frame_rate: float
) -> Iterator[tuple[Tensor, CroppedFace]]:
    """Frames with their faces; the reader may look ahead, and its frames wait."""
    waiting: deque[Tensor] = deque()

    def remembered() -> Iterator[Tensor]:
        for frame in frames:
            waiting.append(frame)
            yield frame.to(pipeline.face_device)

    for face in pipeline.face_reader.read(remembered(), options, frame_rate):
        yield waiting.popleft(), face


def extended(faces: Iterator[CroppedFace], end: str) -> Iterator[CroppedFace]:
    """Faces, and after them what `end` says."""
    kept: list[CroppedFace] = []
    for face in faces:
        if end in ("loop", "ping-pong"):
            kept.append(face)
        elif end == "hold":
            kept = [face]
        yield face
    while kept:
        if end == "ping-pong":
            yield from _turned(kept)
        else:
            yield from kept


def _turned(kept: list[CroppedFace]) -> Iterator[CroppedFace]:
    """Back to the first and forth to the last again, each end once."""
    for index in (*range(len(kept) - 2, -1, -1), *range(1, len(kept))):
        yield kept[index]
    if len(kept) == 1:
        yield kept[0]


def added_steps(pipeline: DiffusionActPipeline, num_inversion_steps: int | None, sampling: Sampling) -> int:
    """Steps of the engine that one frame of a source clip costs: its inversion and its rendering."""
    return pipeline.engine.encode_steps(num_inversion_steps) + pipeline.engine.steps_per_frame(sampling)
