"""Eyes that the photo shows shut."""

from dataclasses import replace

import torch

from diffusionact.warping.drawing import Drawing
from diffusionact.warping.eye_painting import paint_eyes
from diffusionact.warping.eyes import prepare_eyes
from diffusionact.warping.sampling import apply, pixel_centres, pixels_to_grid, polygon_distance
from diffusionact.warping.topology import EYE_RINGS, IRISES, NUM_FACE, NUM_MESH


def with_shut_eyes(source, shut):
    """The mesh (478, 2) of a source's canvas, the lids of some eyes on each other."""
    mesh = torch.zeros(NUM_MESH, 2)
    mesh[:NUM_FACE] = source.positions[:NUM_FACE]
    for iris, points in zip(IRISES, source.irises, strict=True):
        mesh[list(iris)] = points
    for eye in shut:
        ring = EYE_RINGS[eye]
        mesh[list(ring[1:8])] = mesh[list(ring[:8:-1])]
    return mesh


def test_a_shut_eye_takes_the_iris_of_the_open_one_else_a_dull_one(bare_source):
    open_eyes, wink, shut = (
        prepare_eyes(bare_source.texture, with_shut_eyes(bare_source, eyes)).iris_rings for eyes in ((), (0,), (0, 1))
    )
    assert torch.equal(wink[0], open_eyes[1]) and torch.equal(wink[1], open_eyes[1])
    assert not torch.equal(open_eyes[0], open_eyes[1])
    assert (shut.amax(1) - shut.amin(1)).max() < 0.1 < shut.amax() < 0.4


def test_what_lids_colour_is_not_the_irises_colour(bare_source):
    mesh, side = with_shut_eyes(bare_source, ()), 1024
    texture = torch.full((3, side, side), 0.2)
    pixels = pixel_centres(side, side, mesh.device)
    for ring in EYE_RINGS:
        lids = (mesh[list(ring)] + 1) * (side / 2) - 0.5
        (left, top), (right, bottom) = lids.amin(0).int().tolist(), (lids.amax(0).int() + 2).tolist()
        box = slice(top, bottom), slice(left, right)
        inside = polygon_distance(*pixels[box].unbind(-1), lids)
        width = (lids[0] - lids[8]).norm()
        texture[:, box[0], box[1]][:, (inside > 0) & (inside < 0.02 * width)] = 1.0
    assert prepare_eyes(texture, mesh).iris_rings.max() < 0.3


def paint(source, mesh, texture):
    """The eyes of a source on black, where a mesh (478, 2) of its canvas shows them, with irises from a texture."""
    side = source.texture.shape[-1]
    pixels = pixel_centres(side, side, mesh.device)
    drawing = Drawing(
        image=torch.zeros(3, side, side),
        confidence=torch.ones(side, side),
        grid=apply(pixels_to_grid(side, mesh.device), pixels),
        pixels=pixels,
        points=(mesh + 1) * (side / 2) - 0.5,
        head=source.shape,
        change=torch.zeros(NUM_MESH, 3),
        placement=None,
    )
    paint_eyes(source, texture, drawing)
    return drawing.image


def test_what_the_slit_of_a_shut_eye_shows_is_no_iris(bare_source):
    mesh = with_shut_eyes(bare_source, ())
    for iris in IRISES:
        mesh[list(iris)] += 0.5 * (mesh[iris[1]] - mesh[iris[3]])  # aside, so that it is painted
    positions = bare_source.positions.clone()
    positions[:NUM_FACE] = with_shut_eyes(bare_source, (0,))[:NUM_FACE]
    wink = replace(bare_source, positions=positions)
    dark, bright = (paint(wink, mesh, torch.full_like(wink.texture, value)) for value in (0.0, 1.0))
    middles = (mesh[[ring[0] for ring in EYE_RINGS]] + mesh[[ring[8] for ring in EYE_RINGS]]) / 2
    halfway = float((middles.mean(0)[0] + 1) * dark.shape[-1] / 2)
    columns = slice(0, int(halfway)), slice(int(halfway), None)
    first, second = columns if middles[0, 0] < middles[1, 0] else columns[::-1]
    changed = bright - dark
    assert changed[..., first].abs().max() == 0 and changed[..., second].max() > 0.5
    assert dark[..., first].max() > 0.1, "the white beside it"
