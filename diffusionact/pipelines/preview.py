"""Geometry previews: a source in other poses at a small size and at once, whatever engine its model has.

No generative model makes them: the photo is warped (`warping`), and `PREVIEW_TITLE` says so to whoever sees one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import islice

import torch
from torch import Tensor

from .. import images
from ..checks import check_positive_int
from ..face.geometry.crop_change import UNCHANGED, CropChange
from ..face.geometry.resize import resize_crop
from ..face.pose.editing import PoseEdit, edit_pose, source_pose
from ..face.pose.options import DEFAULT_POSE_OPTIONS, PoseOptions
from ..face.readers.reader import FaceReader
from ..generation import AlignedSource, Sampling
from ..generation.warp import FACE_MODEL, PREFIX, WarpConfig, WarpEngine
from ..motion import script_poses
from ..types import FaceCoefficients, FacePose, SourceCodes, map_tensors
from ..warping import WarpSource
from .reenactment import DiffusionActPipeline
from .stream_hooks import NO_HOOKS, StreamHooks

PREVIEW_TITLE = "Geometry preview, no generative model"
PREVIEW_SIZE = 256
# Frames that are read and rendered together: few, so that the first ones are there soon.
CHUNK_SIZE = 2
# Alpha is there only for a photo with transparency.
WARP_CODES = frozenset(PREFIX + field.name for field in fields(WarpSource) if field.name != "alpha")


class GeometryPreview:
    """Shows sources in other poses; a source is made once per photo, then a frame takes some hundredths of a second.

    Sources are those of a pipeline with the engine `warp` at the preview's size.

    Args:
        size: side of the images, pixels.
        face_reader: reads photos and drivers; None takes the open one. Its face model must be the open one.

    Attributes:
        pipeline: what it works with.
    """

    def __init__(self, size: int = PREVIEW_SIZE, face_reader: FaceReader | None = None):
        self.pipeline = DiffusionActPipeline(WarpEngine(WarpConfig(size)), face_reader)

    @property
    def size(self) -> int:
        """Side of the images, pixels."""
        return self.pipeline.sample_size

    @staticmethod
    def can_show(coefficients: FaceCoefficients) -> bool:
        """Whether sources and poses with such coefficients can be shown: those of the open face model."""
        return coefficients.face_model == FACE_MODEL

    def read(self, photo: Tensor, face: str | int = "largest", crop_change: CropChange = UNCHANGED) -> SourceCodes:
        """The source of a photo uint8 (H, W, 3); nothing else need be known of it.

        Raises:
            NoFaceFoundError: if the photo shows no such face.
        """
        return self.pipeline.encode_source(photo, face=face, crop_change=crop_change)

    @torch.no_grad()
    def source_of(self, source: SourceCodes, photo: Tensor) -> SourceCodes:
        """The preview's source of one that any engine encoded; one of the engine `warp` is taken as it is.

        Args:
            source: with coefficients that `can_show` knows.
            photo: uint8 (H, W, 3), what it was encoded from.

        Raises:
            NoFaceFoundError: if the mesh net finds no face in the photo.
            ValueError: if the source belongs to another face model.
        """
        small = self._at_size(source)
        if small.codes.keys() >= WARP_CODES:
            return small
        pose = source_pose(self.pipeline.face_reader.face_model, small)
        aligned = AlignedSource(small.image, pose, photo, small.crop)
        return replace(small, codes=dict(self.pipeline.engine.encode(aligned)))

    def edited(self, source: SourceCodes, edit: PoseEdit) -> Tensor:
        """The source with sliders moved, (1, 3, S, S) in [-1, 1]."""
        face_model = self.pipeline.face_reader.face_model
        return self.posed(source, edit_pose(face_model, source_pose(face_model, source), edit))

    def posed(self, source: SourceCodes, pose: FacePose, hooks: StreamHooks = NO_HOOKS) -> Tensor:
        """The source in every pose, (F, 3, S, S) in [-1, 1].

        Args:
            source: of this preview.
            pose: F rows, made for any model; only coefficients and gaze are looked at.
            hooks: progress and interruption.

        Raises:
            ValueError: if the pose belongs to another face model.
        """
        conditioning = self.pipeline.reenact(source, pose)
        return torch.cat(list(self.pipeline.render(source, conditioning, Sampling(), CHUNK_SIZE, hooks)))

    def clip(
        self,
        source: SourceCodes,
        driving: Iterable[Tensor],
        options: PoseOptions = DEFAULT_POSE_OPTIONS,
        frame_rate: float = 25.0,
        every: int = 2,
        hooks: StreamHooks = NO_HOOKS,
    ) -> Iterator[Tensor]:
        """Yield images (1, 3, S, S) in [-1, 1] for every `every`-th driving frame, as soon as each is made.

        Args:
            source: of this preview.
            driving: uint8 (H, W, 3) frames, read lazily.
            options: how the clip is read.
            frame_rate: driving frames per second; the preview plays at `frame_rate / every`.
            every: 1 takes all frames.
            hooks: progress and interruption.

        Raises:
            NoFaceFoundError: see `PoseOptions.missing`.
            ValueError: if `every` is below 1.
        """
        check_positive_int("every", every)
        chosen = islice(driving, 0, None, every)
        rate = frame_rate / every
        frames = self.pipeline.stream(source, chosen, options, rate, chunk_size=CHUNK_SIZE, hooks=hooks)
        return (frame.image for frame in frames)

    def motion(self, source: SourceCodes, frames: Iterable[Mapping[str, float]]) -> Iterator[Tensor]:
        """Yield images (1, 3, S, S) in [-1, 1] for values of a motion's channels, as soon as each is made."""
        poses = script_poses(self.pipeline.face_reader.face_model, source, frames)
        moved = self.pipeline.stream_poses(source, poses, Sampling(), CHUNK_SIZE)
        return (frame.image for frame in moved)

    def _at_size(self, source: SourceCodes) -> SourceCodes:
        """The aligned image, and where it and its landmarks lie, at the preview's size and on its device."""
        placed = map_tensors(source, lambda tensor: tensor.to(self.pipeline.device))
        nowhere = placed.gaze.new_zeros(1, 68, 2)  # the frame of the aligned image lies where no landmark says
        return replace(
            placed,
            image=images.resize(placed.image.float(), self.size),
            crop=resize_crop(placed.crop, self.size),
            frame=self.pipeline.landmark_frame.from_aligned(nowhere),
        )
