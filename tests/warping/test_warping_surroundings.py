"""What lies around the face: skin beside the oval, skin that was barely seen."""

from dataclasses import replace

import torch

from diffusionact.warping import WarpRenderer, coefficient_motion
from diffusionact.warping.confidence import inverse_edges, stretch
from diffusionact.warping.surroundings import between_person
from diffusionact.warping.topology import BACKGROUND, RINGS, SKIN, SPOKES, SURROUNDINGS, load_topology
from diffusionact.warping.unseen_skin import find_unseen_skin, soften_end


def test_skin_is_drawn_out_only_where_the_person_goes_on_beyond():
    matte = torch.zeros(RINGS, SPOKES)
    matte[3, 10] = 1.0  # an ear behind a gap
    between = between_person(matte.flatten()).view(RINGS, SPOKES)
    assert torch.equal(between[:, 10], (torch.arange(RINGS) <= 3).float())
    assert between[:, :10].sum() == 0


def test_stretch_is_the_largest_magnification_beyond_the_zoom():
    count = int(load_topology().faces.max()) + 1
    positions = torch.rand(count, 2, generator=torch.Generator().manual_seed(0)) * 500
    screen = positions * torch.tensor([3.0, 0.5]) + 7.0
    magnified = stretch(inverse_edges(positions), screen, torch.tensor(2.0))
    assert torch.allclose(magnified, torch.full_like(magnified, 1.5), atol=1e-2)


def test_barely_seen_skin_is_smooth_once_it_is_drawn_out(source, own, turn, directions):
    topology = load_topology()
    assert 0 < len(find_unseen_skin(source, topology).faces) < topology.num_face_triangles
    side = source.texture.shape[-1]
    stripes = (torch.arange(side) % 8 < 4).float().expand(3, side, side).contiguous()
    striped = replace(source, texture=stripes, colour=stripes, seen=source.seen * 0, separable=0 * source.separable)
    renderer = WarpRenderer(striped, 192)

    def contrast(pose):
        frames = renderer.render(coefficient_motion(striped, directions, pose, striped.gaze))
        near_cheek = (frames.labels == SKIN) & (torch.arange(192) < 80)
        return frames.images.abs().mean(1, keepdim=True)[near_cheek].mean()

    assert contrast(turn(yaw=40.0)) < 0.8 * contrast(own)


def test_an_expression_alone_fills_no_skin(source, turn, directions):
    """Glasses that stand before the far cheek of a turned head stay whole while the mouth opens."""
    hidden = replace(source, seen=source.seen * 0)
    images = [
        WarpRenderer(each, 96).render(coefficient_motion(each, directions, turn(jawOpen=0.8), each.gaze)).images
        for each in (source, hidden)
    ]
    assert torch.equal(*images)


def test_a_filled_contour_is_blurred_and_nothing_else_is():
    label = torch.full((6, 8), SKIN, dtype=torch.uint8)
    label[:, 5:] = BACKGROUND
    image = (label == SKIN).float().expand(3, 6, 8).clone()
    before = image.clone()
    soften_end(label, (label == SKIN).flatten().nonzero()[:, 0], image)
    assert torch.equal(image[:, :, 4], torch.full((3, 6), 0.75))
    assert torch.equal(image[:, :, 5], torch.full((3, 6), 0.25))
    assert torch.equal(image[:, :, :4], before[:, :, :4]) and torch.equal(image[:, :, 6:], before[:, :, 6:])


def test_normals_go_over_smoothly_from_the_face_to_the_skull(source, own, directions):
    frames = WarpRenderer(source, 128).render(coefficient_motion(source, directions, own, source.gaze))
    normals, labels = frames.normals[0], frames.labels[0, 0]
    rim = (labels[:, 1:] != labels[:, :-1]) & ((labels[:, 1:] == SURROUNDINGS) | (labels[:, :-1] == SURROUNDINGS))
    step = (normals[:, :, 1:] * normals[:, :, :-1]).sum(0)[rim]
    assert step.mean() > 0.97
    assert normals[0, 64, 8] < -0.5 and normals[0, 64, 120] > 0.5  # the skull's sides look aside
