"""The astronaut as a source, a stand-in for a matte: small, real, made once."""

from dataclasses import replace

import pytest
import torch

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.geometry.rotations import axis_angle_to_matrix, head_pose_to_matrix, matrix_to_axis_angle
from diffusionact.face.readers.open.expression_directions import load_directions
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.face.readers.open.landmarker import FaceLandmarker
from diffusionact.types import FaceCoefficients
from diffusionact.warping import prepare_source, read_face, with_matte

MODEL_UNIT_CM = 5.745
# The head turns about this point, head space of the face model.
PIVOT = torch.tensor([0.0, -2.0, -6.0]) / MODEL_UNIT_CM


@pytest.fixture(scope="session")
def landmarker():
    return FaceLandmarker().eval()


@pytest.fixture(scope="session")
def face_model():
    return OpenFaceModel.from_bundled()


@pytest.fixture(scope="session")
def photo():
    data = pytest.importorskip("skimage.data")
    return torch.from_numpy(data.astronaut())


@pytest.fixture(scope="session")
def reading(photo, landmarker, face_model):
    return read_face(photo, landmarker, face_model)


@pytest.fixture(scope="session")
def bare_source(photo, reading):
    return prepare_source(photo, reading)


@pytest.fixture(scope="session")
def source(photo, reading, bare_source):
    """With a matte: an ellipse around the head, a soft rim, and a plain grey background."""
    height, width = photo.shape[:2]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    middle = reading.mesh[:, :2].mean(0)
    size = reading.mesh[:, :2].amax(0) - reading.mesh[:, :2].amin(0)
    away = ((x - middle[0]) / size[0]).square() + ((y - middle[1] + 0.1 * size[1]) / size[1]).square()
    alpha = ((1.05 - away.sqrt()) / 0.1).clamp(0, 1)[None, None]
    image = photo.permute(2, 0, 1)[None] / 255.0
    return with_matte(bare_source, alpha, image, torch.full_like(image, 0.5))


@pytest.fixture(scope="session")
def directions():
    """The bundled ones."""
    return load_directions()


@pytest.fixture(scope="session")
def own(source):
    """The source's own coefficients."""
    return FaceCoefficients(torch.zeros(1, 1), source.expression, source.rotation_values, source.camera, "open")


@pytest.fixture(scope="session")
def turn(own):
    """Coefficients turned by yaw, pitch, roll in degrees, with some expression values replaced."""

    def turned(yaw=0.0, pitch=0.0, roll=0.0, **values):
        before = axis_angle_to_matrix(own.rotation)
        after = head_pose_to_matrix(torch.tensor([[yaw, pitch, roll]])) @ before
        shift = own.camera[:, 1:] + ((before - after) @ PIVOT)[:, :2]
        expression = own.expression.clone()
        for name, value in values.items():
            for full in (name,) if name in EXPRESSION_NAMES else (name + "Left", name + "Right"):
                expression[0, EXPRESSION_NAMES.index(full)] = value
        camera = torch.cat([own.camera[:, :1], shift], dim=1)
        return replace(own, expression=expression, rotation=matrix_to_axis_angle(after), camera=camera)

    return turned
