"""What comes out of the warp, on a real photo."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from diffusionact.face.geometry.rotations import matrix_to_head_pose
from diffusionact.images import model_to_uint8, uint8_to_model
from diffusionact.types import FaceCoefficients, concatenate
from diffusionact.warping import (
    WarpMotion,
    WarpRenderer,
    WarpSource,
    coefficient_motion,
    lay_on_photo,
    mesh_motion,
    photo_output,
    prepare_source,
)
from diffusionact.warping.eyes import opening
from diffusionact.warping.placement import transform_mesh
from diffusionact.warping.topology import BACKGROUND, EYE_RINGS, LEFT_EYE, MOUTH, RIGHT_EYE, SKIN, load_topology
from diffusionact.warping.values import HeadPlacement
from diffusionact.warping.view import plane_to_output

NOSE_TIP = 1


def psnr(first, second, where):
    error = ((first - second) / 2).square().mean(1, keepdim=True)
    return float(-10 * torch.log10(error[where].mean()))


def resized_crop(source, size):
    """The aligned crop cut out of the canvas, antialiased."""
    side, crop = source.texture.shape[-1], int(source.crop_side)
    margin = (side - crop) // 2
    crop = source.texture[None, :, margin : margin + crop, margin : margin + crop]
    return F.interpolate(crop, size=(size, size), mode="bilinear", antialias=True) * 2 - 1


def rows_of(coefficients):
    return concatenate(list(coefficients))


@pytest.fixture(scope="module")
def renderer(source):
    return WarpRenderer(source, 256)


@pytest.fixture(scope="module")
def render(source, directions, renderer):
    def rendered(coefficients, gaze=None, size=256):
        motion = coefficient_motion(source, directions, coefficients, source.gaze if gaze is None else gaze)
        return (renderer if size == 256 else WarpRenderer(source, size)).render(motion)

    return rendered


def test_own_pose_returns_the_photo(source, own, render):
    frames = render(own)
    wanted = resized_crop(source, 256)
    sure = frames.confidence > 0.5
    assert sure.float().mean() > 0.7
    assert psnr(frames.images, wanted, sure) > 38
    assert psnr(frames.images, wanted, torch.ones_like(sure)) > 35


def test_labels_normals_and_ranges(render, own):
    frames = render(own)
    assert frames.images.shape == (1, 3, 256, 256) and frames.images.abs().max() <= 1
    assert frames.confidence.min() >= 0 and frames.confidence.max() <= 1
    assert frames.labels.dtype == torch.uint8
    assert not any(tensor.is_inference() for tensor in vars(frames).values())  # losses may be taken of them
    assert {SKIN, RIGHT_EYE, LEFT_EYE, MOUTH} <= set(frames.labels.unique().tolist())
    skin = (frames.labels == SKIN)[0, 0]
    length = frames.normals[0].norm(dim=0)[skin]
    assert torch.allclose(length, torch.ones_like(length), atol=1e-3)
    assert frames.normals[0, 2][skin].mean() > 0.6


def test_yaw_and_pitch_move_the_nose_the_right_way(landmarker, render, turn):
    def nose_from_eyes(coefficients):
        faces = landmarker(model_to_uint8(render(coefficients).images))[0]
        points = faces.points[0, :, :2]
        head_pose = matrix_to_head_pose(landmarker.geometry.apparent_rotation(faces.points[:1]))[0]
        return points[NOSE_TIP] - (points[33] + points[263]) / 2, head_pose

    (left, left_pose), (right, right_pose) = nose_from_eyes(turn(yaw=-20)), nose_from_eyes(turn(yaw=20))
    assert right[0] - left[0] > 15
    assert 36 < right_pose[0] - left_pose[0] < 44
    (up, _), (down, _) = nose_from_eyes(turn(pitch=-15)), nose_from_eyes(turn(pitch=15))
    assert down[1] - up[1] > 8


def test_a_blink_closes_both_eyes_and_one_wink_only_one(landmarker, render, own, turn):
    def openings(coefficients):
        faces = landmarker(model_to_uint8(render(coefficients).images))[0]
        return [float(opening(faces.points[0, :, :2], ring)) for ring in EYE_RINGS]

    before = openings(own)
    blink, wink = openings(turn(eyeBlink=0.65)), openings(turn(eyeBlinkLeft=0.65))
    assert all(now < 0.45 * then for now, then in zip(blink, before, strict=True))
    assert wink[1] < 0.6 * before[1] and wink[0] > 0.75 * before[0]


def test_gaze_moves_both_irises(landmarker, render, own):
    def iris_offset(gaze):
        points = landmarker(model_to_uint8(render(own, torch.tensor([gaze])).images))[0].points[0, :, 0]
        eyes = zip((468, 473), EYE_RINGS, strict=True)
        return [float(points[iris] - points[list(ring)].mean()) for iris, ring in eyes]

    to_left, to_right = iris_offset([0.0, 0.45]), iris_offset([0.0, -0.45])
    assert all(right - left > 3 for left, right in zip(to_left, to_right, strict=True))


def test_an_opening_jaw_opens_the_mouth(landmarker, render, own, turn):
    def gap(coefficients):
        points = landmarker(model_to_uint8(render(coefficients).images))[0].points[0]
        return float((points[13] - points[14])[:2].norm())

    assert gap(turn(jawOpen=0.5)) > gap(own) + 5


def test_a_batch_equals_its_frames_one_by_one(render, turn):
    poses = [turn(yaw=12, eyeBlink=0.5), turn(yaw=-18, jawOpen=0.4)]
    together = render(rows_of(poses), torch.tensor([[0.1, 0.2], [0.0, -0.2]]))
    for i, (pose, gaze) in enumerate(zip(poses, ([0.1, 0.2], [0.0, -0.2]), strict=True)):
        alone = render(pose, torch.tensor([gaze]))
        assert torch.allclose(alone.images[0], together.images[i], atol=5e-5)
        assert torch.allclose(alone.confidence[0], together.confidence[i], atol=5e-5)


def test_sizes_show_the_same_picture(render, turn):
    pose = turn(yaw=14, pitch=4, eyeBlink=0.3)
    large = render(pose, size=384).images
    small = render(pose).images
    shrunk = F.interpolate(large, size=(256, 256), mode="bilinear", antialias=True)
    assert psnr(shrunk, small, torch.ones_like(small[:, :1]) > 0) > 30


def test_turned_away_surfaces_vanish(render, turn):
    labels = load_topology().labels
    assert (labels == SKIN).sum() > 800
    right = render(turn(yaw=45)).labels
    # The subject's eye on the far side loses more of its area than the near one.
    far, near = (right == LEFT_EYE).sum(), (right == RIGHT_EYE).sum()
    assert far < 0.8 * near
    behind = render(turn(yaw=175)).labels
    assert ((behind == SKIN) | (behind == MOUTH)).float().mean() < 0.02


def test_padding_beyond_the_photo_has_no_confidence(photo, reading, directions):
    left = int(reading.mesh[:, 0].min()) + 10  # the photo's edge cuts the face
    cut = photo[:, left:]
    mesh = reading.mesh - torch.tensor([left, 0.0, 0.0])
    aligned = reading.aligned.clone()
    aligned[:, 2] += aligned[:, 0] * left
    source = prepare_source(cut, replace(reading, mesh=mesh, aligned=aligned))
    own = FaceCoefficients(torch.zeros(1, 1), source.expression, source.rotation_values, source.camera, "open")
    frames = WarpRenderer(source, 128).render(coefficient_motion(source, directions, own, source.gaze))
    column = int((aligned[0, 2] + 1) / 2)  # half of the photo's left edge in aligned px: 128 px output
    assert 10 < column < 100
    assert frames.confidence[..., : column - 3].max() == 0
    assert frames.confidence[..., column + 6 :].mean() > 0.6


def test_the_photo_itself_can_be_the_output(photo, source, directions, turn):
    height, width = photo.shape[:2]
    renderer = WarpRenderer(source, (height, width), photo_output(source))
    frames = renderer.render(coefficient_motion(source, directions, turn(yaw=15), source.gaze))
    original = uint8_to_model(photo[None])
    whole = lay_on_photo(original, frames.images, source)
    assert whole.shape == original.shape
    x, y = (int(value) for value in source_nose(source))
    assert (whole - original)[0, :, y - 20 : y + 20, x - 20 : x + 20].abs().mean() > 0.05
    assert torch.equal(whole[..., -20:, :20], original[..., -20:, :20])  # far from the head nothing moves


def source_nose(source):
    plane = source.placement.place(source.shape[None])[0]
    return plane_to_output(plane, photo_output(source))[NOSE_TIP, :2]


def test_a_mesh_of_the_photo_itself_leaves_it_as_it_is(source, reading, renderer):
    mesh = transform_mesh(reading.mesh[None], reading.aligned[None])
    frames = renderer.render(mesh_motion(source, mesh))
    assert psnr(frames.images, resized_crop(source, 256), frames.confidence > 0.5) > 38


def test_a_degenerate_pose_does_not_fail(source, renderer):
    placement = HeadPlacement(torch.eye(3)[None], source.scale * 0, source.shift + 100)
    frames = renderer.render(WarpMotion(placement, torch.zeros(1, 478, 3)))
    assert torch.isfinite(frames.images).all()


def test_saved_tensors_give_the_same_source(source, own, directions, render):
    again = WarpSource(**{name: tensor.clone() for name, tensor in source.tensors().items()})
    motion = coefficient_motion(again, directions, own, again.gaze)
    assert torch.equal(WarpRenderer(again, 256).render(motion).images, render(own).images)
    assert all(isinstance(tensor, torch.Tensor) for tensor in source.tensors().values())


def test_an_output_that_is_no_square_needs_its_own_map(source):
    with pytest.raises(ValueError, match="square"):
        WarpRenderer(source, (100, 200))


def test_labels_say_where_nothing_lies(renderer, source):
    placement = HeadPlacement(source.rotation, source.scale * 0.2, source.shift)
    labels = renderer.render(WarpMotion(placement, torch.zeros(1, 478, 3))).labels
    assert labels.max() <= BACKGROUND
