"""Motions: what coefficients and meshes do to the source's geometry."""

import torch

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.geometry.rotations import axis_angle_to_matrix
from diffusionact.warping import coefficient_motion, mesh_motion
from diffusionact.warping.eyes import opening
from diffusionact.warping.lips import keep_lips_apart, lip_gap
from diffusionact.warping.motion import lid_ratio, move_irises, scale_lids
from diffusionact.warping.placement import fit_placement, head_shape, mesh_to_plane, plane_to_aligned, transform_mesh
from diffusionact.warping.surroundings import SKULL_CENTRE
from diffusionact.warping.topology import (
    EYE_RINGS,
    LIP_RING,
    NUM_FACE,
    RINGS,
    SPOKES,
    SURROUNDINGS,
    load_topology,
)
from diffusionact.warping.view import moved_vertices, still_plane


def test_own_coefficients_change_nothing(source, own, directions):
    motion = coefficient_motion(source, directions, own, source.gaze)
    assert motion.change.abs().max() < 0.02  # cm; lips that overlap by that much in the photo are parted
    assert torch.allclose(motion.placement.rotation, source.rotation, atol=1e-5)
    assert torch.allclose(motion.placement.shift, source.shift, atol=1e-5)


def test_a_turn_of_the_coefficients_turns_the_mesh_alike(source, turn, directions):
    pose = turn(yaw=25, pitch=-10)
    motion = coefficient_motion(source, directions, pose, source.gaze)
    wanted = axis_angle_to_matrix(pose.rotation) @ axis_angle_to_matrix(source.rotation_values).transpose(1, 2)
    assert torch.allclose(motion.placement.rotation, wanted @ source.rotation, atol=1e-5)
    assert torch.allclose(motion.placement.scale, source.scale, atol=1e-6)


def test_a_head_is_rounder_than_its_mesh_and_seen_where_that_was(reading):
    plane = mesh_to_plane(transform_mesh(reading.mesh[None], reading.aligned[None]))
    placement = fit_placement(plane)
    shape, flat = head_shape(placement, plane), placement.to_head(plane)
    assert torch.allclose(placement.place(shape)[..., :2], plane[..., :2], atol=1e-5)
    deeper = (shape - flat)[0, :, 2]
    nose_and_chin, ears = deeper[[1, 152]], deeper[[234, 454]]
    assert (nose_and_chin[:, None] - ears).min() > 1.0  # cm


def test_the_own_mesh_does_not_bend_the_face(source, reading):
    change = mesh_motion(source, transform_mesh(reading.mesh[None], reading.aligned[None])).change
    assert (change - change.mean(1, keepdim=True)).abs().max() < 5e-3  # all move in depth alike: no turn begins there


def test_a_mesh_motion_puts_every_point_where_the_mesh_has_it(source, reading):
    mesh = transform_mesh(reading.mesh[None], reading.aligned[None])
    mesh[..., 1] += 9.0 + 0.02 * mesh[..., 0]
    motion = mesh_motion(source, mesh)
    placed = motion.placement.place(source.shape + motion.change)
    assert torch.allclose(plane_to_aligned(placed)[..., :2], mesh[..., :2], atol=2e-2)


def test_lids_shut_at_full_blink_and_stay_at_rest(source):
    rest = torch.zeros(1, 52)
    blink = rest.clone()
    blink[0, 9:11] = 0.8  # eyeBlinkLeft, eyeBlinkRight
    still = torch.zeros(1, 478, 3)
    own = torch.stack([opening(source.shape, ring) for ring in EYE_RINGS])
    shut = source.shape + scale_lids(source.shape, still, lid_ratio(rest, blink, own))
    for ring in EYE_RINGS:
        assert opening(shut[0], ring) < 0.08 * opening(source.shape, ring)
    assert scale_lids(source.shape, still, torch.ones(1, 2)).abs().max() < 1e-5


def test_half_shut_eyes_open_as_far_as_others(source):
    rest, half = torch.zeros(1, 52), torch.zeros(1, 52)
    half[0, 9:11] = 0.4
    narrow = torch.full((2,), 0.15)
    assert torch.allclose(narrow * lid_ratio(half, rest, narrow), torch.full((1, 2), 0.32), atol=0.02)
    wide = torch.full((2,), 0.34)
    assert (lid_ratio(half, rest, wide) <= 1.4).all()


def test_lips_touch_but_do_not_cross(source):
    change = torch.zeros(1, 478, 3)
    change[:, list(LIP_RING[11:]), 1] = 5.0
    moved = source.shape + keep_lips_apart(source.shape, change)
    upper, lower = moved[0, list(LIP_RING[1:10]), 1], moved[0, [LIP_RING[20 - j] for j in range(1, 10)], 1]
    assert (upper - lower).min() > -1e-5


def test_irises_follow_the_gaze_and_stay_in_the_eye(source):
    still = torch.zeros(1, 478, 3)
    gaze = torch.tensor([[0.4, 0.5]])  # up, to the image's left
    change = move_irises(source.shape, still, torch.zeros(1, 2), gaze)
    for iris, ring in zip((468, 473), EYE_RINGS, strict=True):
        assert change[0, iris, 0] < -0.2 and change[0, iris, 1] > 0.05
        extreme = move_irises(source.shape, still, torch.zeros(1, 2), torch.tensor([[0.0, -1.0]]))
        corners = source.shape[[ring[0], ring[8]], 0]
        assert corners.min() < source.shape[iris, 0] + extreme[0, iris, 0] < corners.max()


def test_rings_close_the_mesh_and_wind_towards_the_camera(source):
    topology = load_topology()
    assert (topology.labels[: topology.num_face_triangles] != SURROUNDINGS).all()
    assert (topology.labels[topology.num_face_triangles :] == SURROUNDINGS).all()
    assert len(source.positions) == NUM_FACE + RINGS * SPOKES
    edges = torch.cat([topology.faces[:, [0, 1]], topology.faces[:, [1, 2]], topology.faces[:, [2, 0]]])
    _, counts = edges.sort(1).values.unique(dim=0, return_counts=True)
    assert (counts == 1).sum() == SPOKES and counts.max() == 2  # open at the outermost ring alone
    a, b, c = (
        source.positions[topology.faces[topology.labels == SURROUNDINGS][:, i]] * torch.tensor([1.0, -1.0])
        for i in range(3)
    )
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (area > 0).float().mean() > 0.99


def test_what_is_far_from_the_head_stands_still(source, turn, directions):
    motion = coefficient_motion(source, directions, turn(yaw=30, jawOpen=0.6), source.gaze)
    still = still_plane(source)
    moved = moved_vertices(source, motion.placement.row(0), motion.change[0], still)
    assert torch.allclose(moved[-SPOKES:, :2], still[-SPOKES:], atol=1e-5)
    assert (moved[: NUM_FACE + SPOKES, :2] - still[: NUM_FACE + SPOKES]).norm(dim=1).mean() > 0.05


def test_a_fitted_placement_is_the_one_that_made_the_points(source):
    topology = load_topology()
    head = torch.cat([topology.canonical, torch.tensor([SKULL_CENTRE]).expand(10, 3)])
    found = fit_placement(source.placement.place(head[None]))
    assert torch.allclose(found.rotation, source.rotation, atol=1e-4)
    assert torch.allclose(found.scale, source.scale, atol=1e-5)


def test_a_shut_mouth_of_the_driver_shuts_a_smiling_source(source, own, turn, directions):
    assert lip_gap(source.shape)[4] > 0.3
    values = {name: 0.0 for name in EXPRESSION_NAMES if name.startswith(("mouth", "jaw"))}
    shut = coefficient_motion(source, directions, turn(**values), source.gaze)
    assert lip_gap(source.shape + shut.change).abs().max() < 0.02
    wide = coefficient_motion(source, directions, turn(jawOpen=0.5), source.gaze)
    assert lip_gap(source.shape + wide.change)[0, 4] > lip_gap(source.shape)[4] + 0.3
