import pytest
import torch

from diffusionact.face.geometry.rotations import head_pose_to_matrix
from diffusionact.warping import WarpMotion, coefficient_motion
from diffusionact.warping.following import follow_landmarks
from diffusionact.warping.placement import plane_to_aligned
from diffusionact.warping.topology import EYE_RINGS, IRISES, LIP_RING, load_topology
from diffusionact.warping.values import HeadPlacement

PUPILS = [iris[0] for iris in IRISES]


def seen_in(source, motion):
    """Landmarks and pupils of a motion, aligned px."""
    plane = plane_to_aligned(motion.placement.place(source.shape + motion.change))[..., :2]
    return load_topology().landmark_matrix @ plane, plane[:, PUPILS]


def turned(source, yaw, grown, change):
    turn = head_pose_to_matrix(torch.tensor([[yaw, 0.0, 0.0]]))
    shift = source.shift + source.shift.new_tensor([[0.03, -0.02, 0.0]])
    return WarpMotion(HeadPlacement(turn @ source.rotation, grown * source.scale, shift), change)


@pytest.fixture(scope="module")
def still(source):
    return torch.zeros(1, *source.shape.shape)


def test_own_landmarks_leave_the_photo(source, own, directions, still):
    motion = coefficient_motion(source, directions, own, source.gaze)
    followed = follow_landmarks(source, motion, *seen_in(source, motion))
    assert torch.allclose(followed.change, motion.change, atol=2e-3)
    assert torch.allclose(followed.placement.rotation, motion.placement.rotation, atol=1e-4)


def test_landmarks_place_the_head_and_move_the_face(source, still):
    change = still.clone()
    change[:, list(LIP_RING[11:]), 1] -= 0.6
    truth = turned(source, 4.0, 1.08, change)
    wanted, pupils = seen_in(source, truth)
    followed = follow_landmarks(source, turned(source, 0.0, 1.0, still), wanted, pupils)
    marks, irises = seen_in(source, followed)
    assert (marks - wanted).norm(dim=-1).mean() < 0.3
    assert torch.allclose(irises, pupils, atol=1e-2)
    assert followed.placement.scale == pytest.approx(truth.placement.scale, rel=0.02)
    apart = followed.placement.rotation[0].T @ truth.placement.rotation[0]
    assert torch.rad2deg(((apart.trace() - 1) / 2).acos()) < 2.0


def test_one_lid_moves_without_the_other(source, still):
    motion = WarpMotion(source.placement, still)
    wanted, pupils = seen_in(source, motion)
    wanted[:, [37, 38], 1] += 3.0  # the subject's right eye, upper lid
    followed = follow_landmarks(source, motion, wanted, pupils).change
    upper, lower = followed[0, list(EYE_RINGS[0][3:6]), 1], followed[0, list(EYE_RINGS[0][11:14]), 1]
    assert (upper < -0.1).all()
    assert (lower.abs() < 0.3 * upper.abs().min()).all()
    assert followed[0, list(EYE_RINGS[1]), 1].abs().max() < 0.3 * upper.abs().min()
