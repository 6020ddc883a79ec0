"""Values of channels as poses of a source."""

import pytest
import torch

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.pose.editing import PoseEdit, edit_pose
from diffusionact.face.pose.retargeting import face_pose
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.motion.poses import moved_pose
from diffusionact.types import CropTransform, FaceCoefficients

MODEL = OpenFaceModel.from_bundled()


@pytest.fixture(scope="module")
def rest():
    coefficients = FaceCoefficients(
        shape=torch.zeros(1, MODEL.num_identity),
        expression=torch.full((1, 52), 0.2),
        rotation=MODEL.rotation(torch.tensor([[5.0, 0.0, 0.0]])),
        camera=torch.tensor([[0.5, 0.1, 0.0]]),
        face_model=MODEL.name,
    )
    frame = CropTransform(torch.eye(2, 3)[None], 256)
    return face_pose(MODEL, coefficients, torch.zeros(1, 2), torch.ones(1, dtype=torch.bool), frame)


def test_sliders_do_what_edit_pose_does(rest):
    values = {"yaw": 8.0, "gaze_horizontal": 6.0, "smile": 0.5, "eyes": -0.4}
    moved, edited = moved_pose(MODEL, rest, values), edit_pose(MODEL, rest, PoseEdit(**values))
    torch.testing.assert_close(moved.landmarks, edited.landmarks)
    torch.testing.assert_close(moved.gaze, edited.gaze)


def test_expression_values_move_by_their_own_names(rest):
    moved = moved_pose(MODEL, rest, {"jawOpen": 0.3, "browInnerUp": -0.1})
    change = (moved.expression - rest.expression)[0]
    assert change[EXPRESSION_NAMES.index("jawOpen")] == pytest.approx(0.3)
    assert change[EXPRESSION_NAMES.index("browInnerUp")] == pytest.approx(-0.1)
    assert int((change != 0).sum()) == 2


def test_place_is_in_percent_of_the_crop_and_zoom_keeps_the_middle(rest):
    right = moved_pose(MODEL, rest, {"move_right": 10.0, "move_up": 5.0}).landmarks - rest.landmarks
    torch.testing.assert_close(right[0], torch.tensor([25.6, -12.8]).expand(68, 2), atol=0.2, rtol=0)
    zoomed = moved_pose(MODEL, rest, {"zoom": 10.0}).landmarks
    spread = (zoomed - zoomed.mean(1, keepdim=True)) / (rest.landmarks - rest.landmarks.mean(1, keepdim=True))
    torch.testing.assert_close(spread, torch.full_like(spread, 1.1), atol=1e-2, rtol=0)
