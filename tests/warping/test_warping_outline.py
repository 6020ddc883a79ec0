"""The outline of the head, the depth that follows from it, and the shell behind it."""

from dataclasses import replace

import torch

from diffusionact.warping import WarpRenderer, coefficient_motion
from diffusionact.warping.head_shell import find_shell
from diffusionact.warping.outline import depth_on_outline, find_outline
from diffusionact.warping.surroundings import SKULL_CENTRE, spokes
from diffusionact.warping.topology import NUM_FACE, OVAL, RINGS, SPOKES
from diffusionact.warping.view import source_grid

TOP = slice(0, 8)  # spokes of the forehead


def round_matte(source, radius_cm):
    """(1, side, side) a disc around the face."""
    side = source.texture.shape[-1]
    centre = source_grid(source, source.shape[list(OVAL)].mean(0)[None])[0]
    edge = source_grid(source, source.shape.new_tensor([[0.0, 0.0, 0.0], [radius_cm, 0.0, 0.0]]))
    axis = (torch.arange(side) + 0.5) / side * 2 - 1
    away = ((axis - centre[0]).square() + (axis[:, None] - centre[1]).square()).sqrt()
    return ((edge[1] - edge[0]).norm() - away).mul(side / 2).add(0.5).clamp(0, 1)[None]


def test_the_outline_of_a_disc_is_found_on_every_spoke_of_the_head(bare_source):
    outline = find_outline(
        replace(bare_source, inside=torch.ones_like(bare_source.inside)), round_matte(bare_source, 13.0)
    )
    oval = spokes(bare_source.shape[list(OVAL)])
    head = oval[:, 1] > -3
    middle = bare_source.shape[list(OVAL)].mean(0)
    wanted = 13.0 - ((oval - middle) @ bare_source.rotation[0].T)[:, :2].norm(dim=1)  # as the photo shows it
    assert outline.sure[head].min() > 0.9
    assert (outline.reach - wanted)[head].abs().max() < 0.6
    assert outline.sure[oval[:, 1] < -9].max() < 1e-3


def test_without_an_end_of_the_person_there_is_no_outline(bare_source):
    assert find_outline(bare_source, torch.ones_like(bare_source.matte)).sure.max() < 1e-3
    assert len(find_shell(bare_source).faces) == 0


def test_depth_falls_from_the_oval_to_the_skull_at_the_outline(bare_source):
    whole = replace(bare_source, inside=torch.ones_like(bare_source.inside))
    outline = find_outline(whole, round_matte(bare_source, 13.0))
    ray = bare_source.rotation[0, 2]
    points = depth_on_outline(whole, outline).view(RINGS, SPOKES, 3)
    depth = (points - points.new_tensor(SKULL_CENTRE)) @ ray
    beyond = outline.away > outline.reach
    assert depth[:, TOP][beyond[:, TOP]].abs().max() < 0.3
    assert (depth[0] - outline.depth)[TOP].abs().max() < 0.8
    assert (depth[1:, TOP] - depth[:-1, TOP]).max() < 0.3
    moved = points.flatten(0, 1) - bare_source.ring_points
    assert (moved - (moved @ ray)[:, None] * ray).abs().max() < 1e-4  # the photo's own pose stays as it is


def test_a_turn_uncovers_the_back_of_the_head(source, turn, directions):
    renderer = WarpRenderer(source, 192)
    renderer._background_seen = torch.ones_like(renderer._background_seen)
    assert len(renderer._shell.faces) > 100
    motion = coefficient_motion(source, directions, turn(yaw=30.0), source.gaze)
    shown = renderer.render(motion)
    renderer._shell = replace(renderer._shell, faces=renderer._shell.faces[:0])
    bare = renderer.render(motion)
    new = (shown.images - bare.images).abs().amax(1)[0] > 0.1
    assert new.sum() > 100
    fall = (bare.confidence - shown.confidence)[0, 0]
    assert fall.min() > -1e-6 and fall[new].mean() > 0.1
    assert new.nonzero()[:, 1].float().mean() < 70  # the side that the face turns away from


def test_the_shell_stays_hidden_while_the_head_hardly_turns(source, turn, directions):
    renderer = WarpRenderer(source, 128)
    motion = coefficient_motion(source, directions, turn(yaw=3.0), source.gaze)
    shown = renderer.render(motion).images
    renderer._shell = replace(renderer._shell, faces=renderer._shell.faces[:0])
    assert torch.equal(shown, renderer.render(motion).images)


def test_the_shell_shows_what_lies_inside_the_outline(source):
    shell = find_shell(source)
    used = shell.values[shell.faces.unique()]
    place = used[used[:, 2] > 0.1][:, :2]
    matte = torch.nn.functional.grid_sample(source.matte[None], place[None, None], align_corners=False)[0, 0, 0]
    assert (matte > 0.5).float().mean() > 0.9
    assert torch.isfinite(shell.points).all() and shell.points.shape[1] == 3
    assert len(source.ring_points) == len(source.positions) - NUM_FACE
