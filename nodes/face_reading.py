"""Trackers by name, poses out of driving faces, and pictures of poses; nothing here needs the model's networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import comfy.model_management
from torch import Tensor

from ..diffusionact import PoseOptions, images
from ..diffusionact.face.face_reader import CroppedFace, FaceModel
from ..diffusionact.face.landmark_map import draw_landmark_map
from ..diffusionact.face.open_face_reader import OpenFaceReader
from ..diffusionact.face.pose_extraction import LandmarkFrame, PoseExtractor
from ..diffusionact.types import FaceCoefficients, FacePose, SourceCodes, concatenate, map_tensors
from .progress import Progress

TRACKERS = {"open": OpenFaceReader}
MAP_SIZE = 256


def tracker_names() -> list[str]:
    """The trackers whose files are there."""
    return list(TRACKERS)


def make_reader(tracker: str) -> OpenFaceReader:
    """A face reader on ComfyUI's device; its nets are small and go when it goes."""
    return TRACKERS[tracker]().to(comfy.model_management.get_torch_device())


def face_model_of(coefficients: FaceCoefficients) -> FaceModel:
    """The face model, on the CPU, that coefficients belong to."""
    return OpenFaceReader().face_model


def read_poses(
    reader: OpenFaceReader, faces: Iterator[CroppedFace], source: SourceCodes, options: PoseOptions
) -> Iterator[FacePose]:
    """Yield the poses of driving faces for a source, on the CPU, one row each."""
    name = "aligned" if source.frame.size == source.image.shape[-1] else "crop224"
    frame = LandmarkFrame(name, source.image.shape[-1])
    extractor = PoseExtractor(reader.face_model, reader.camera_frame, frame, options)
    device = comfy.model_management.get_torch_device()
    source = map_tensors(source, lambda tensor: tensor.to(device))
    for pose in extractor.stream(faces, source):
        yield map_tensors(pose, lambda tensor: tensor.cpu())


def join_poses(poses: Iterable[FacePose]) -> FacePose:
    """All rows together.

    Raises:
        ValueError: if there are none.
    """
    rows = list(poses)
    if not rows:
        raise ValueError("Expected a driving clip with at least one frame, received none. Check what comes before.")
    return concatenate(rows)


def watched(frames: Iterable[Tensor], progress: Progress) -> Iterator[Tensor]:
    """The same frames, each counted and open to interruption."""
    for index, frame in enumerate(frames):
        progress.advance_to(index)
        yield frame


def draw(pose: FacePose) -> Tensor:
    """Landmark maps of a pose as unit pictures (F, 256, 256, 3), whatever the size of its own frame."""
    scale = MAP_SIZE / pose.frame.size
    # Integer pixels are pixel centres.
    points = [(points + 0.5) * scale - 0.5 for points in (pose.landmarks, pose.pupils)]
    maps = draw_landmark_map(*points, MAP_SIZE)
    return images.model_to_unit(maps)
