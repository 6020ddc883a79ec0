"""The piecewise-affine warp: what it must do to landmarks whose motion is known."""

import pytest
import torch
import torch.nn.functional as F
from evaluation_data import SIZE

from diffusionact.evaluation.landmark_warp import BORDER, TRIANGLES, warp_by_landmarks


@pytest.fixture(scope="module")
def face(people):
    """A smooth image (1, 3, H, H) and landmarks (1, 68, 2)."""
    axis = torch.arange(SIZE) / SIZE
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    image = torch.stack([x, y, 0.5 + 0.5 * (6 * x).sin() * (5 * y).cos()])[None] * 1.6 - 0.8
    return image, torch.from_numpy(people["ann"][0].landmarks)[None]


def test_the_mesh_uses_every_point_and_covers_the_image_once(face):
    points = torch.cat([face[1][0], torch.tensor(BORDER) * SIZE - 0.5])
    assert {corner for triangle in TRIANGLES for corner in triangle} == set(range(len(points)))
    corners = points[torch.tensor(TRIANGLES)]
    first, second = (corners[:, index] - corners[:, 0] for index in (1, 2))
    areas = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    # Whatever the landmarks are, the signed areas of a closed mesh add up to the image.
    assert areas.sum().item() == pytest.approx(SIZE**2, rel=1e-4)
    assert (areas > 0).float().mean() > 0.9


def test_landmarks_that_stay_leave_the_image_as_it_was(face):
    image, landmarks = face
    torch.testing.assert_close(warp_by_landmarks(image, landmarks, landmarks), image, atol=1e-3, rtol=0)


def test_warp_of_affinely_moved_landmarks_is_that_affine_map(face):
    image, landmarks = face
    matrix, shift = torch.tensor([[1.08, 0.1], [-0.06, 0.93]]), torch.tensor([-2.0, 3.0])
    wanted = landmarks @ matrix.T + shift
    warped = warp_by_landmarks(image, landmarks, wanted)
    # Independent: sample the image at the inverse map of every pixel.
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    positions = (torch.stack([x, y], dim=-1).float() - shift) @ torch.linalg.inv(matrix).T
    expected = F.grid_sample(image, ((2 * positions + 1) / SIZE - 1)[None], align_corners=False)
    inside = face_pixels(wanted[0])
    assert inside.sum() > 200
    torch.testing.assert_close(warped[..., inside], expected[..., inside], atol=2e-3, rtol=0)
    border = warped[..., 0, :] - image[..., 0, :]
    assert border.abs().max() < 0.05  # the frame stays


def test_every_image_of_a_batch_has_its_own_landmarks(face):
    image, landmarks = face
    moved = landmarks + torch.tensor([4.0, 0.0])
    both = warp_by_landmarks(image.repeat(2, 1, 1, 1), landmarks.repeat(2, 1, 1), torch.cat([landmarks, moved]))
    torch.testing.assert_close(both[1:], warp_by_landmarks(image, landmarks, moved))
    assert (both[1] - both[0]).abs().mean() > 0.01


def test_a_face_turned_far_enough_to_fold_the_mesh_still_fills_the_image(face):
    image, landmarks = face
    centre = landmarks[..., :1].mean()
    turned = landmarks.clone()
    turned[..., 0] = centre + 0.3 * (landmarks[..., 0] - centre) + 8 * torch.sin(landmarks[..., 1] / 5)
    warped = warp_by_landmarks(image, landmarks, turned)
    assert warped.isfinite().all() and (warped + 1).abs().min() > 0  # no pixel without a source


def face_pixels(landmarks):
    """(H, H) bool: pixels well inside triangles that join landmarks only."""
    inner = [triangle for triangle in TRIANGLES if max(triangle) < 68]
    axis = torch.arange(SIZE).float()
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    inside = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    for a, b, c in inner:
        corners = landmarks[[a, b, c]]
        matrix = torch.cat([corners.T, torch.ones(1, 3)])
        if matrix.det().abs() > 1e-3:
            weights = torch.linalg.solve(matrix, torch.cat([pixels, torch.ones(SIZE, SIZE, 1)], dim=-1)[..., None])
            inside |= (weights[..., 0] > 0.02).all(dim=-1)
    return inside
