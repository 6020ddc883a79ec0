"""One live reenactment: a camera frame in, the moved photo out, at once.

A frame's image depends on the frames before it only. The face is followed from frame to frame; where it is lost, the
last image is held.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_choice, check_frames, check_in_range
from ..face.pose.editing import source_pose
from ..face.pose.extraction import PoseExtractor
from ..face.pose.options import PoseOptions
from ..face.readers.following import make_follower
from ..face.readers.reader import CroppedFace
from ..generation import Sampling
from ..pipelines import DiffusionActPipeline
from ..types import FacePose, SourceCodes
from .smoothing import LiveSmoother

SIZES = (256, 384, 512)
# A frame that comes sooner after another than this tells nothing of speeds.
MIN_STEP_S = 1e-3


@dataclass(frozen=True)
class LiveOptions:
    """How the camera drives the photo.

    Attributes:
        smoothing: 0 (off) to 1 (strong), with more delay.
        expression_gain: factor on the expression, or on its change since the neutral face.
        sampling: how frames are rendered, where the engine samples.

    Raises:
        ValueError: if a value is out of range.
    """

    smoothing: float = 0.3
    expression_gain: float = 1.0
    sampling: Sampling = Sampling()

    def __post_init__(self) -> None:
        check_in_range("smoothing", self.smoothing, 0.0, 1.0)
        check_in_range("expression_gain", self.expression_gain, 0.0, 3.0)


@dataclass(frozen=True)
class LivePose:
    """What a camera frame says.

    Attributes:
        pose: of the photo, one row; None where the camera frame shows no face.
        is_calibrated: motion is relative to the neutral face.
        captured_at: of the camera frame, as it was given.
        seconds: what finding it took.
    """

    pose: FacePose | None
    is_calibrated: bool
    captured_at: float
    seconds: float


@dataclass(frozen=True)
class LiveFrame:
    """One frame of a live reenactment.

    Attributes:
        image: (1, 3, S, S) in [-1, 1].
        found: the camera frame showed a face; otherwise the image is that of the frame before.
        is_calibrated: motion is relative to the neutral face.
        captured_at: of the camera frame that it shows.
        track_seconds, render_seconds: what finding the face and rendering took.
    """

    image: Tensor
    found: bool
    is_calibrated: bool
    captured_at: float
    track_seconds: float
    render_seconds: float


Render = Callable[[SourceCodes, FacePose], Tensor]


class LiveReenactment:
    """Moves one photo as one camera sees it: not for several threads at once.

    Args:
        pipeline: renders, see `live_pipeline` for its size.
        source: from `encode_source`.
        options: how.
        render: (source, pose of one row) -> image (1, 3, S, S) in [-1, 1]; None takes the pipeline's own way.

    Raises:
        ValueError: if the source was encoded with another face model, or the engine cannot sample like that.
    """

    def __init__(
        self,
        pipeline: DiffusionActPipeline,
        source: SourceCodes,
        options: LiveOptions | None = None,
        render: Render | None = None,
    ):
        self.pipeline, self.options = pipeline, options or LiveOptions()
        pipeline.engine.check_sampling(self.options.sampling)
        self.source = pipeline.source_to_device(source)
        self._render = render or self._render_here
        self._absolute, self._relative = (self._extractor(is_relative) for is_relative in (False, True))
        self._follow = make_follower(pipeline.face_reader)
        self._smooth = LiveSmoother(self.options.smoothing)
        self._reference: CroppedFace | None = None
        self._will_calibrate = False
        self._image: Tensor | None = None
        self._last_at: float | None = None

    def calibrate(self) -> None:
        """Take the next face that is seen as neutral: from then on the photo changes as the face does since then."""
        self._will_calibrate = True

    def step(self, frame: Tensor, captured_at: float) -> LiveFrame:
        """Render the photo for a camera frame; arguments and errors are those of `track`."""
        return self.render(self.track(frame, captured_at))

    @torch.no_grad()
    def track(self, frame: Tensor, captured_at: float) -> LivePose:
        """Find the face in a camera frame.

        Args:
            frame: uint8 (H, W, 3).
            captured_at: when it was captured, in seconds of a clock that only goes forward.

        Raises:
            ValueError: if it is no frame.
        """
        check_frames("camera frame", frame[None])
        started = time.perf_counter()
        passed = MIN_STEP_S if self._last_at is None else max(MIN_STEP_S, captured_at - self._last_at)
        face, pose = self._read(frame, passed), None
        if face is not None:
            self._last_at = captured_at
            extractor = self._absolute if self._reference is None else self._relative
            pose = extractor.pose(face, self.source, self._reference)
        return LivePose(pose, self._reference is not None, captured_at, time.perf_counter() - started)

    @torch.no_grad()
    def render(self, seen: LivePose) -> LiveFrame:
        """Render the photo; without a face the last image is held, and before any face it is the photo as it is."""
        started, pose = time.perf_counter(), seen.pose
        if pose is None and self._image is None:
            pose = source_pose(self.pipeline.face_reader.face_model, self.source)
        image = self._image if pose is None else self._render(self.source, pose)
        self._image = image
        seconds = time.perf_counter() - started
        is_found = seen.pose is not None
        return LiveFrame(image, is_found, seen.is_calibrated, seen.captured_at, seen.seconds, seconds)

    def _read(self, frame: Tensor, seconds: float) -> CroppedFace | None:
        """The smoothed face; the neutral one where the time for it has come."""
        if self._will_calibrate:
            self._follow.recentre()
            self._smooth.reset()
        face = self._follow(frame, seconds)
        if face is None:
            return None
        face = self._smooth(face, seconds)
        if self._will_calibrate:
            self._reference, self._will_calibrate = face, False
        return face

    def _render_here(self, source: SourceCodes, pose: FacePose) -> Tensor:
        sampling = self.options.sampling
        conditioning = self.pipeline.reenact(source, pose)
        return self.pipeline.decode(source, conditioning, sampling.num_inference_steps, sampling.scheduler)

    def _extractor(self, is_relative: bool) -> PoseExtractor:
        reader, gain = self.pipeline.face_reader, self.options.expression_gain
        # The crop stands still while a face is followed: since the calibration the head's travel counts too.
        crop = "clip" if is_relative else "frame"
        options = PoseOptions(relative=is_relative, driver_crop=crop, expression_gain=gain)
        return PoseExtractor(reader.face_model, reader.camera_frame, self.pipeline.landmark_frame, options)


def live_pipeline(pipeline: DiffusionActPipeline, size: int) -> DiffusionActPipeline:
    """A pipeline for the same sources whose images have another side, where its engine can have one.

    That is an engine with a method `with_size`, such as that of the model `photo`. Others keep the size they were
    trained for.

    Args:
        pipeline: any; stays as it is.
        size: one of SIZES, pixels.

    Raises:
        ValueError: if the size is another.
    """
    check_choice("size", str(size), [str(each) for each in SIZES])
    with_size = getattr(pipeline.engine, "with_size", None)
    return pipeline if with_size is None else pipeline.with_engine(with_size(size))
