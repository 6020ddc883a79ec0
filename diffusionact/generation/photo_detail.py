"""The fine detail of a source's photo for frames of any engine, by the warp of the same photo in the same poses."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..face.pose.extraction import LandmarkFrame
from ..face.pose.retargeting import face_pose
from ..face.readers.open.face_model import OpenFaceModel
from ..types import FacePose, SourceCodes, map_tensors
from ..warping import WarpedFrames, add_detail, split_side
from .conditioning import Conditioning
from .engine import AlignedSource
from .warp import FACE_MODEL, PREFIX, WarpEngine


class PhotoDetail:
    """Frames of one source at a wanted side: what the engine made, with the photo's own detail where it may be trusted.

    Args:
        source: of any engine, read with the open face model.
        photo: uint8 (H, W, 3) that it was encoded from; a source of the engine `warp` holds it already.
        side: of the frames, pixels.
        device: where the photo is warped.

    Raises:
        ValueError: if the source was read with another face model, or there is no photo.
        NoFaceFoundError: if the face mesh finds no face in the photo.
    """

    def __init__(self, source: SourceCodes, photo: Tensor | None, side: int, device: torch.device | str = "cpu"):
        check_open_face_model(source.coefficients.face_model)
        self.side = side
        engine = WarpEngine().to(device)
        source = map_tensors(source, lambda tensor: tensor.to(engine.device))
        self._source = source if has_warp(source) else _with_warp(engine, source, photo)
        self._warp = engine.at_output(side)
        self._split: int | None = None

    @torch.no_grad()
    def warped(self, pose: FacePose) -> WarpedFrames:
        """The photo itself in F poses, at the wanted side."""
        check_open_face_model(pose.coefficients.face_model)
        pose = map_tensors(pose, lambda tensor: tensor.to(self._warp.device))
        return self._warp.warp(self._source, Conditioning(self._warp.condition(self._source, pose)))

    @torch.no_grad()
    def add(self, frames: Tensor, pose: FacePose) -> Tensor:
        """Frames with detail, one after the other, so that memory does not grow with their number.

        The first frame decides how soft the engine's frames are, for all that follow.

        Args:
            frames: (F, 3, h, w) in [-1, 1], the engine's aligned crops, not larger than the wanted side.
            pose: F rows, in which they were rendered.

        Returns:
            (F, 3, side, side) in [-1, 1], where the photo is warped.

        Raises:
            ValueError: if the numbers or sizes do not fit, or the pose is of another face model.
        """
        if len(frames) != len(pose.found):
            raise ValueError(
                f"Expected a pose for each frame, received {len(frames)} frames and {len(pose.found)} poses. Pass the "
                "poses that the frames were rendered in."
            )
        return torch.cat([self._add_one(frames, pose, slice(row, row + 1)) for row in range(len(frames))])

    def _add_one(self, frames: Tensor, pose: FacePose, row: slice) -> Tensor:
        warped = self.warped(map_tensors(pose, lambda tensor: tensor[row]))
        frame = frames[row].to(warped.images)
        if self._split is None:  # of the first frame, so that it does not change within a clip
            self._split = split_side(frame, warped.images, warped.confidence)
        return add_detail(frame, warped.images, warped.confidence, self._split)


def has_warp(source: SourceCodes) -> bool:
    """Whether a source holds its photo made ready to be warped: those of the engine `warp` do."""
    return PREFIX + "texture" in source.codes


def check_open_face_model(face_model: str) -> None:
    """Raise ValueError unless this is the open face model, into whose poses alone the photo can be warped."""
    if face_model != FACE_MODEL:
        raise ValueError(
            f"Expected faces read with the face model {FACE_MODEL!r} for output at the photo's resolution, received "
            f"{face_model!r}. Read source and driver with the face reader (tracker) 'open', or take the frames at the "
            "model's own size."
        )


def _with_warp(engine: WarpEngine, source: SourceCodes, photo: Tensor | None) -> SourceCodes:
    """The source with the codes of the engine `warp` in place of its own."""
    if photo is None:
        raise ValueError(
            "Expected the photo that the source was made of, received a saved source without it. Give the photo itself."
        )
    model = OpenFaceModel.from_bundled().to(engine.device)
    found = torch.ones(1, dtype=torch.bool, device=engine.device)
    frame = LandmarkFrame("aligned", source.crop.size).from_aligned(
        model.landmarks(source.coefficients, model.camera_size)
    )
    pose = face_pose(model, source.coefficients, source.gaze, found, frame)
    return replace(source, codes=engine.encode(AlignedSource(source.image, pose, photo, source.crop)))
