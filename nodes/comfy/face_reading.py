"""Face readers by name, poses out of driving faces, and images of poses; nothing here needs the model's networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ...diffusionact import PoseOptions, images
from ...diffusionact.face.geometry.resize import resize_points
from ...diffusionact.face.pose.extraction import PoseExtractor
from ...diffusionact.face.pose.landmark_map import draw_landmark_map
from ...diffusionact.face.readers.reader import CroppedFace, FaceReader
from ...diffusionact.face.readers.registry import load_face_reader, load_reader_of_face_model, usable_face_readers
from ...diffusionact.types import FaceCoefficients, FacePose, concatenate, map_tensors
from .conversion import warping_device
from .schema import ADVANCED
from .values import Source

MAP_SIZE = 256
# Drawing needs several times the memory of its result.
DRAWN_AT_ONCE = 32


def tracker_input(optional: bool = False) -> io.Input:
    """The input `tracker`."""
    return io.Combo.Input(
        "tracker",
        options=list(usable_face_readers()),
        default="open",
        optional=optional,
        extra_dict=ADVANCED if optional else None,
        tooltip="What finds and measures the face. open is bundled and free to use. emoca appears when the authors' "
        "files lie in models/diffusionact/emoca, insightface when that package is installed.",
    )


def make_reader(tracker: str) -> FaceReader:
    """A face reader where faces are read; its nets are small and go when it goes."""
    return load_face_reader(tracker).to(warping_device())


def face_in_box(reader: FaceReader, image: Tensor, bounding_box: Any) -> int:
    """Number of the face whose centre is nearest to a box's.

    Args:
        reader: finds the faces, as it will when it reads the chosen one.
        image: uint8 (H, W, 3).
        bounding_box: ComfyUI's BOUNDING_BOX; of several boxes, the first of the first image.
    """
    while isinstance(bounding_box, (list, tuple)):
        if not bounding_box:
            raise ValueError(
                "Expected a bounding box, received an empty list. Choose another image, or disconnect the input."
            )
        bounding_box = bounding_box[0]
    x = bounding_box["x"] + bounding_box["width"] / 2
    y = bounding_box["y"] + bounding_box["height"] / 2
    centres = reader.faces_in(image).view(-1, 2, 2).mean(1)
    return int((centres - centres.new_tensor([x, y])).norm(dim=-1).argmin()) if len(centres) else 0


def reader_of(coefficients: FaceCoefficients) -> FaceReader:
    """A face reader, on the CPU, whose face model draws coefficients."""
    return load_reader_of_face_model(coefficients.face_model)


def read_poses(
    reader: FaceReader, faces: Iterator[CroppedFace], source: Source, options: PoseOptions
) -> Iterator[FacePose]:
    """Yield the poses of driving faces for a source of the same face model, on the CPU, one row each."""
    extractor = PoseExtractor(reader.face_model, reader.camera_frame, source.landmark_frame, options)
    codes = map_tensors(source.codes, lambda tensor: tensor.to(reader.device))
    for pose in extractor.stream(faces, codes):
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


def draw(pose: FacePose) -> Tensor:
    """Landmark maps of a pose as unit images (F, 256, 256, 3), whatever the size of its own frame."""
    resized = (resize_points(points, pose.frame.size, MAP_SIZE) for points in (pose.landmarks, pose.pupils))
    chunks = zip(*(points.split(DRAWN_AT_ONCE) for points in resized), strict=True)
    maps = (draw_landmark_map(*chunk, MAP_SIZE) for chunk in chunks)
    return torch.cat([images.model_to_unit(chunk) for chunk in maps])
