"""What the options of a clip mean in each landmark frame."""

import math
from dataclasses import replace

import pytest
import torch

from diffusionact.face.geometry.rotations import axis_angle_to_matrix
from diffusionact.face.pose.extraction import LandmarkFrame, PoseExtractor
from diffusionact.face.pose.options import PoseOptions
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.face.readers.reader import CroppedFace
from diffusionact.types import CropTransform, FaceCoefficients, FaceObservation, SourceCodes

MODEL = OpenFaceModel.from_bundled()
TURNED_DEG = 30.0


def face(yaw_deg: float, scale: float) -> CroppedFace:
    """A face that the reader might have seen, drawn by the face model itself."""
    coefficients = FaceCoefficients(
        shape=torch.zeros(1, 40),
        expression=torch.zeros(1, 52),
        rotation=torch.tensor([[0.0, math.radians(yaw_deg), 0.0]]),
        camera=torch.tensor([[scale, 0.0, -0.5]]),
        face_model="open",
    )
    identity = CropTransform(torch.eye(2, 3)[None], 256)
    observation = FaceObservation(
        landmarks=MODEL.landmarks(coefficients, 256),
        pupils=torch.full((1, 2, 2), 128.0),
        head_pose=MODEL.head_pose(coefficients.rotation),
        expression=coefficients.expression,
        gaze=torch.zeros(1, 2),
        confidence=torch.ones(1),
        found=torch.ones(1, dtype=torch.bool),
    )
    return CroppedFace(coefficients, observation, identity, identity)


def source_of(seen: CroppedFace) -> SourceCodes:
    return SourceCodes(
        image=torch.zeros(1, 3, 8, 8),
        crop=seen.crop,
        coefficients=seen.coefficients,
        frame=seen.crop,
        gaze=seen.observation.gaze,
        codes={},
    )


def poses(frame: str, options: PoseOptions, source: CroppedFace, driver: list[CroppedFace]):
    extractor = PoseExtractor(MODEL, "aligned", LandmarkFrame(frame, 256), options)
    return [pose.coefficients for pose in extractor.stream(iter(driver), source_of(source))]


DRIVER = [face(0.0, 0.5), face(10.0, 0.6)]


def test_the_aligned_frame_takes_the_drivers_camera_and_head_pose():
    for pose, seen in zip(poses("aligned", PoseOptions(), face(TURNED_DEG, 0.4), DRIVER), DRIVER, strict=True):
        assert torch.equal(pose.camera, seen.coefficients.camera)
        assert torch.equal(pose.rotation, seen.coefficients.rotation)


@pytest.mark.parametrize("relative", [False, True])
def test_in_the_sources_frame_the_head_keeps_its_size_and_place(relative):
    source = face(5.0, 0.4)
    for pose in poses("source", PoseOptions(relative=relative), source, DRIVER):
        assert torch.equal(pose.camera, source.coefficients.camera)


@pytest.mark.parametrize("relative", [False, True])
def test_in_the_sources_frame_a_clip_crop_carries_change_of_size_over(relative):
    options = PoseOptions(driver_crop="clip", relative=relative)
    scales = [pose.camera[0, 0].item() for pose in poses("source", options, face(5.0, 0.4), DRIVER)]
    assert scales == pytest.approx([0.4, 0.48])


def test_in_the_sources_frame_a_turned_photo_stays_turned():
    source = face(TURNED_DEG, 0.4)
    limited, whole = (
        [pose.rotation for pose in poses("source", PoseOptions(turn_limit=limit), source, DRIVER)]
        for limit in (15.0, 180.0)
    )
    for pose, free, seen in zip(limited, whole, DRIVER, strict=True):
        assert torch.equal(free, seen.coefficients.rotation)
        turn = axis_angle_to_matrix(pose) @ axis_angle_to_matrix(free).transpose(1, 2)
        assert turn[0].diagonal().sum() == pytest.approx(1 + 2 * math.cos(math.radians(TURNED_DEG - 15.0)), abs=1e-4)


def test_a_turn_limit_out_of_range_is_rejected():
    with pytest.raises(ValueError, match="turn_limit"):
        replace(PoseOptions(), turn_limit=200.0)
