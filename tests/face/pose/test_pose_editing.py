"""Sliders, gains, mixing and carrying poses over: what changes, and what stays."""

import pytest
import torch

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.geometry.ibug68 import INNER_LIPS, LEFT_BROW, RIGHT_BROW
from diffusionact.face.geometry.resize import resize_points
from diffusionact.face.pose.editing import SLIDER_VALUES, PoseEdit, PoseMix, edit_pose, fit_pose, mix_poses, source_pose
from diffusionact.face.pose.extraction import LandmarkFrame
from diffusionact.face.pose.retargeting import face_pose
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.face.readers.open.reader import OpenFaceReader
from diffusionact.types import CropTransform, FaceCoefficients, FacePose, SourceCodes

MODEL = OpenFaceModel.from_bundled()
ALIGNED = LandmarkFrame("aligned", 256)


def pose(count: int = 1, shape: float = 0.0, expression: float = 0.0, yaw: float = 0.0) -> FacePose:
    coefficients = FaceCoefficients(
        shape=torch.full((count, MODEL.num_identity), shape),
        expression=torch.full((count, 52), expression),
        rotation=MODEL.rotation(torch.tensor([[yaw, 0.0, 0.0]]).expand(count, 3)),
        camera=torch.tensor([[0.5, 0.0, 0.0]]).expand(count, 3),
        face_model=MODEL.name,
    )
    frame = CropTransform(torch.eye(2, 3).expand(count, 2, 3), 256)
    return face_pose(MODEL, coefficients, torch.zeros(count, 2), torch.ones(count, dtype=torch.bool), frame)


def source(shape: float) -> SourceCodes:
    own = pose(shape=shape)
    image, code = torch.zeros(1, 3, 256, 256), torch.zeros(1, 8)
    return SourceCodes(
        image, own.frame, own.coefficients, own.frame, own.gaze, {"semantic_code": code, "stochastic_code": image}
    )


def height(points: torch.Tensor, part) -> float:
    rows = points[0, list(part), 1]
    return float(rows.max() - rows.min())


def lid_gaps(points: torch.Tensor) -> tuple[float, float]:
    """Lower minus upper lid, px, the subject's right eye first; below 0 the lids cross."""
    lids = ((41, 40), (37, 38)), ((46, 47), (44, 43))
    return tuple(float((points[0, list(low), 1] - points[0, list(up), 1]).mean()) for low, up in lids)


def test_no_edit_changes_nothing():
    before = pose(2, shape=0.5, expression=0.3, yaw=20.0)
    after = edit_pose(MODEL, before, PoseEdit())
    torch.testing.assert_close(after.landmarks, before.landmarks, atol=1e-3, rtol=0)
    torch.testing.assert_close(after.pupils, before.pupils, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("slider", "column"), [("yaw", 0), ("pitch", 1), ("roll", 2)])
def test_head_sliders_add_degrees_to_the_head_pose(slider, column):
    after = edit_pose(MODEL, pose(yaw=10.0), PoseEdit(**{slider: 15.0}))
    expected = torch.tensor([10.0, 0.0, 0.0])
    expected[column] += 15.0
    torch.testing.assert_close(after.head_pose[0], expected, atol=1e-2, rtol=0)


def test_yaw_moves_the_nose_to_the_images_right_and_pitch_down():
    nose = pose().landmarks[0, 30]
    assert edit_pose(MODEL, pose(), PoseEdit(yaw=20.0)).landmarks[0, 30, 0] > nose[0] + 2
    assert edit_pose(MODEL, pose(), PoseEdit(pitch=20.0)).landmarks[0, 30, 1] > nose[1] + 2


def test_gaze_sliders_move_the_pupils_to_the_images_right_and_up():
    before = pose()
    right = edit_pose(MODEL, before, PoseEdit(gaze_horizontal=30.0)).pupils - before.pupils
    up = edit_pose(MODEL, before, PoseEdit(gaze_vertical=30.0)).pupils - before.pupils
    assert (right[..., 0] > 1).all() and (right[..., 1].abs() < 1e-3).all()
    assert (up[..., 1] < -0.5).all()


def test_expression_sliders_move_their_own_part_the_right_way():
    neutral = pose().landmarks

    def edited(**sliders) -> torch.Tensor:
        return edit_pose(MODEL, pose(), PoseEdit(**sliders)).landmarks

    assert height(edited(mouth_open=1.0), INNER_LIPS) > height(neutral, INNER_LIPS) + 5
    assert all(abs(gap) < 0.6 for gap in lid_gaps(edited(eyes=-1.0)))
    assert min(lid_gaps(edited(eyes=1.0))) > max(lid_gaps(neutral)) + 1
    assert edited(brows=1.0)[0, list(LEFT_BROW), 1].mean() < neutral[0, list(LEFT_BROW), 1].mean() - 1
    assert edited(brows=-1.0)[0, list(RIGHT_BROW), 1].mean() > neutral[0, list(RIGHT_BROW), 1].mean() + 0.5
    assert edited(smile=1.0)[0, [48, 54], 1].mean() < neutral[0, [48, 54], 1].mean() - 1
    winking = edited(wink_right=1.0)
    assert lid_gaps(winking)[0] < 1 and lid_gaps(winking)[1] > 7
    width = neutral[0, 54, 0] - neutral[0, 48, 0]
    assert edited(mouth_width=-1.0)[0, 54, 0] - edited(mouth_width=-1.0)[0, 48, 0] < width - 2


def test_every_slider_names_known_expression_values():
    for sides in SLIDER_VALUES.values():
        for values in sides:
            assert values.keys() <= set(EXPRESSION_NAMES)


def test_gains_scale_head_expression_and_gaze():
    before = pose(expression=0.2, yaw=20.0)
    after = edit_pose(MODEL, before, PoseEdit(head_gain=0.5, expression_gain=2.0))
    assert float(after.head_pose[0, 0]) == pytest.approx(10.0, abs=0.05)
    torch.testing.assert_close(after.expression, torch.full((1, 52), 0.4))


def test_a_slider_out_of_range_is_rejected():
    with pytest.raises(ValueError, match="smile"):
        PoseEdit(smile=2.0)
    with pytest.raises(ValueError, match="wink_left"):
        PoseEdit(wink_left=-0.5)


def test_mixing_takes_only_the_asked_region_from_the_second_pose():
    first, second = pose(3), pose(1, expression=0.6, yaw=30.0)
    mixed = mix_poses(MODEL, first, second, PoseMix(mouth=1.0))
    mouth = [name.startswith(("mouth", "jaw")) for name in EXPRESSION_NAMES]
    brows = [name.startswith("brow") for name in EXPRESSION_NAMES]
    assert len(mixed.found) == 3
    assert torch.equal(mixed.expression[:, mouth], second.expression[:, mouth].expand(3, -1))
    assert torch.equal(mixed.expression[:, brows], first.expression[:, brows])
    torch.testing.assert_close(mixed.head_pose, first.head_pose, atol=1e-3, rtol=0)


def test_half_of_the_second_head_is_half_of_the_way():
    mixed = mix_poses(MODEL, pose(yaw=-10.0), pose(yaw=30.0), PoseMix(head=0.5))
    assert float(mixed.head_pose[0, 0]) == pytest.approx(10.0, abs=0.05)


def test_clips_of_different_length_do_not_mix():
    with pytest.raises(ValueError, match="same number of frames"):
        mix_poses(MODEL, pose(2), pose(3), PoseMix(head=1.0))


def test_a_sources_own_pose_is_what_it_was_encoded_with():
    torch.testing.assert_close(source_pose(MODEL, source(0.5)).landmarks, pose(shape=0.5).landmarks)


def test_a_pose_made_for_somebody_else_is_drawn_with_the_sources_shape():
    shared = pose(2, shape=1.0, expression=0.3, yaw=20.0)
    fitted = fit_pose(OpenFaceReader(), ALIGNED, source(-1.0), shared)
    assert (fitted.coefficients.shape == -1.0).all()
    torch.testing.assert_close(fitted.landmarks, pose(2, shape=-1.0, expression=0.3, yaw=20.0).landmarks)


def test_a_pose_made_for_this_source_stays_as_it_is():
    own = pose(2, shape=0.5, yaw=5.0)
    assert fit_pose(OpenFaceReader(), ALIGNED, source(0.5), own) is own


def test_a_pose_made_for_a_model_of_another_size_is_drawn_at_this_models():
    fitted = fit_pose(OpenFaceReader(), LandmarkFrame("aligned", 128), source(0.0), pose(yaw=20.0))
    expected = resize_points(pose(yaw=20.0).landmarks, 256, 128)
    torch.testing.assert_close(fitted.landmarks, expected, atol=1e-3, rtol=0)


def test_a_pose_of_another_face_model_is_rejected():
    other = pose()
    short = FaceCoefficients(torch.zeros(1, 100), torch.zeros(1, 53), torch.zeros(1, 3), torch.ones(1, 3), "flame")
    foreign = FacePose(other.landmarks, other.pupils, other.head_pose, other.gaze, other.found, short, other.frame)
    with pytest.raises(ValueError, match="same face reader"):
        fit_pose(OpenFaceReader(), ALIGNED, source(0.0), foreign)
    with pytest.raises(ValueError, match="same face reader"):
        edit_pose(MODEL, foreign, PoseEdit())
