"""Broad light: recovered from a matt ball whose light is known, and put right on a photo whose head turns."""

import math

import pytest
import torch
import torch.nn.functional as F

from diffusionact.types import concatenate
from diffusionact.warping import WarpRenderer, WarpSource, coefficient_motion, prepare_source, with_matte
from diffusionact.warping.confidence import face_normals
from diffusionact.warping.light import MAX_RATIO, MIN_RATIO, Relighting, fit_light, shading, spherical_harmonics
from diffusionact.warping.surroundings import ring_normals, skull_normals
from diffusionact.warping.topology import NUM_FACE, OVAL, SKIN
from diffusionact.warping.view import moved_vertices, still_plane

# A key light from the upper left and a dim fill.
LIGHT = torch.tensor([1.5, 0.2, 0.3, -0.35, -0.05, 0.04, 0.06, -0.08, 0.05])
SIDE_LIGHT = torch.tensor([1.2, 0.0, 0.3, -0.6, 0.0, 0.0, 0.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def ball():
    """Normals (N, 3) of the front of a ball."""
    steps = torch.linspace(-1, 1, 64)
    y, x = torch.meshgrid(-steps, steps, indexing="ij")
    normals = torch.stack([x, y, (1 - x**2 - y**2).clamp(min=0).sqrt()], dim=-1)
    return normals[x**2 + y**2 < 0.97]


def photographed(normals, albedo=1.0):
    """Colours (N, 3) of skin in one warm tint."""
    tint = torch.tensor([0.6, 0.4, 0.3])
    return ((shading(LIGHT, normals) * albedo)[:, None] * tint).clamp(0, 1) ** (1 / 2.2)


def relative_error(light, normals):
    """Of the brightness, whatever the skin's own."""
    found, wanted = shading(light, normals), shading(LIGHT, normals)
    return (found / found.mean() / (wanted / wanted.mean()) - 1).abs().mean()


def lit_from_the_left(source):
    return WarpSource(**{**source.tensors(), "broad_light": SIDE_LIGHT})


def vertex_ratio(source, motion, strength=1.0):
    """What the light does to each vertex in the first frame of a motion."""
    plane = moved_vertices(source, motion.placement.row(0), motion.change[0], still_plane(source))
    face = face_normals(plane)
    rings = ring_normals(skull_normals(source), source.ring_follow, face[list(OVAL)], motion.placement.rotation[0])
    normals = torch.cat([face, rings])
    before = source.placement.place(source.shape[None, :NUM_FACE])[0]
    return Relighting(source, before, strength).ratio(normals)


def test_light_on_a_matt_ball_is_recovered(ball):
    assert relative_error(fit_light(photographed(ball), ball, ball[:, 2]), ball) < 0.03


def test_dark_patches_and_highlights_do_not_bend_the_light(ball):
    albedo = torch.ones(len(ball))
    albedo[(ball[:, 1] < -0.4) & (ball[:, 0].abs() < 0.4)] = 0.25  # a beard
    albedo[(ball[:, 1] > 0.3) & (ball[:, 0].abs() < 0.08)] = 1.6  # a highlight
    assert relative_error(fit_light(photographed(ball, albedo), ball, ball[:, 2]), ball) < 0.06


def test_harmonics_are_orthonormal_over_the_sphere():
    directions = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0))
    harmonics = spherical_harmonics(F.normalize(directions, dim=1))
    gram = harmonics.T @ harmonics / len(directions) * 4 * math.pi
    torch.testing.assert_close(gram, torch.eye(9), atol=0.03, rtol=0)


def test_lengths_that_differ_are_rejected_with_what_to_pass():
    with pytest.raises(ValueError, match="one row per point"):
        fit_light(torch.zeros(4, 3), torch.zeros(5, 3), torch.ones(4))


def test_a_photo_whose_one_side_is_darkened_is_lit_from_the_other(photo, reading):
    middle = float(reading.mesh[:NUM_FACE, 0].mean())
    fall = torch.linspace(-1, 1, photo.shape[1]) * photo.shape[1] / 2 + photo.shape[1] / 2 - middle
    dimmed = (photo * (1 - 0.35 * torch.sigmoid(fall / 15))[:, None]).to(torch.uint8)  # on the image's right
    even, side = (prepare_source(image, reading).broad_light for image in (photo, dimmed))
    assert side[3] / side[0] < even[3] / even[0] - 0.05


def test_own_pose_is_not_relit_at_all(source, own, directions):
    motion = coefficient_motion(source, directions, own, source.gaze)
    lit, plain = (WarpRenderer(lit_from_the_left(source), 192, relight=s).render(motion) for s in (1.0, 0.0))
    assert torch.equal(lit.images, plain.images)


def test_the_side_that_turns_to_the_lamp_gets_brighter(source, directions, turn):
    lamp = lit_from_the_left(source)
    motion = coefficient_motion(source, directions, turn(yaw=-25), source.gaze)  # towards the image's left
    lit, plain = (WarpRenderer(lamp, 192, relight=s).render(motion) for s in (1.0, 0.0))
    skin = (lit.labels == SKIN).expand_as(lit.images)
    gain = ((lit.images[skin] + 1) / (plain.images[skin] + 1).clamp(min=0.05)).mean()
    away = coefficient_motion(source, directions, turn(yaw=25), source.gaze)
    dark, flat = (WarpRenderer(lamp, 192, relight=s).render(away) for s in (1.0, 0.0))
    skin = (dark.labels == SKIN).expand_as(dark.images)
    loss = ((dark.images[skin] + 1) / (flat.images[skin] + 1).clamp(min=0.05)).mean()
    assert gain > 1.04 and loss < 0.96


def test_half_the_strength_is_half_the_change(source, directions, turn):
    motion = coefficient_motion(source, directions, turn(yaw=12), source.gaze)
    lamp = lit_from_the_left(source)
    full, half = (vertex_ratio(lamp, motion, s) for s in (1.0, 0.5))
    torch.testing.assert_close(half.square(), full)


def test_ratio_is_limited_and_smooth_and_without_colour(source, directions, turn):
    harsh = WarpSource(**{**source.tensors(), "broad_light": SIDE_LIGHT * torch.tensor([1.0] * 3 + [2.5] + [1.0] * 5)})
    motion = coefficient_motion(source, directions, turn(yaw=40), source.gaze)
    ratio = vertex_ratio(harsh, motion)
    assert ratio.min() >= MIN_RATIO - 1e-5 and ratio.max() <= MAX_RATIO + 1e-5
    mild = coefficient_motion(source, directions, turn(yaw=20), source.gaze)
    lit, plain = (WarpRenderer(lit_from_the_left(source), 128, relight=s).render(mild).images[0] + 1 for s in (1, 0))
    clear = (plain.amin(0) > 0.2) & (lit.amax(0) < 1.95) & (plain.amax(0) < 1.95)
    field = lit / plain.clamp(min=0.05)
    assert (field.amax(0) - field.amin(0))[clear].max() < 1e-3
    both = clear[:, 1:] & clear[:, :-1]
    steps = (field[0, :, 1:] - field[0, :, :-1]).abs()[both]
    assert steps.quantile(0.98) < 0.06  # the rest lies where the nose hides the cheek


def test_even_light_changes_nothing(source, directions, turn):
    even = WarpSource(**{**source.tensors(), "broad_light": torch.eye(9)[0]})
    motion = coefficient_motion(even, directions, turn(yaw=30), even.gaze)
    lit, plain = (WarpRenderer(even, 128, relight=s).render(motion).images for s in (1.0, 0.0))
    assert torch.equal(lit, plain)


def test_what_lies_behind_the_person_keeps_its_light(source, directions, turn):
    lamp = lit_from_the_left(source)
    motion = coefficient_motion(lamp, directions, turn(yaw=25), lamp.gaze)
    lit, plain = (WarpRenderer(lamp, 192, relight=s).render(motion).images for s in (1.0, 0.0))
    grey = plain.abs().amax(1, keepdim=True) < 0.01  # the stand-in matte's background is grey
    assert grey.float().mean() > 0.05
    assert (lit - plain).abs().amax(1, keepdim=True)[grey].max() < 0.01


def test_a_matte_that_is_no_person_takes_the_light_away_there(bare_source, directions, turn):
    size = bare_source.inside.shape[-1]
    nobody = torch.zeros(1, 1, size, size)
    image = torch.zeros(1, 3, size, size)
    empty = lit_from_the_left(with_matte(bare_source, nobody, image, image))
    motion = coefficient_motion(empty, directions, turn(yaw=25), empty.gaze)
    assert (vertex_ratio(empty, motion)[NUM_FACE:] - 1).abs().max() < 1e-6
    assert (vertex_ratio(empty, motion)[:NUM_FACE] - 1).abs().max() > 0.1


def test_a_batch_of_relit_frames_equals_its_frames(source, directions, own, turn):
    lamp = lit_from_the_left(source)
    renderer = WarpRenderer(lamp, 128)
    poses = [own, turn(yaw=20)]
    both = renderer.render(coefficient_motion(lamp, directions, concatenate(poses), lamp.gaze.expand(2, -1))).images
    for image, pose in zip(both, poses, strict=True):
        alone = renderer.render(coefficient_motion(lamp, directions, pose, lamp.gaze)).images[0]
        torch.testing.assert_close(image, alone, atol=5e-5, rtol=0)


def test_a_strength_outside_its_range_is_rejected(source):
    with pytest.raises(ValueError, match="relight"):
        WarpRenderer(source, 64, relight=1.5)
