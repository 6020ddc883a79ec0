"""The far side of a photo that shows the head turned."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from diffusionact.face.geometry.rotations import head_pose_to_matrix
from diffusionact.images import model_to_uint8
from diffusionact.types import FaceCoefficients
from diffusionact.warping import WarpRenderer, coefficient_motion, prepare_source, read_face, with_matte
from diffusionact.warping.far_half import far_half, seen_aside, spread
from diffusionact.warping.hidden_side import (
    HIDDEN_CONFIDENCE,
    find_hidden_side,
    giving_way,
    growth,
    mirror_rings,
    turn_back,
)
from diffusionact.warping.topology import NUM_FACE, RINGS, SPOKES, SURROUNDINGS, load_topology

SIZE = 192
GREY = 0.5


@pytest.fixture(scope="module")
def aside(source, turn, directions, landmarker, face_model):
    """A photo of the astronaut turned by 25 degrees, with a matte: what is not grey."""
    renderer = WarpRenderer(source, 320)
    frames = renderer.render(coefficient_motion(source, directions, turn(yaw=25.0), source.gaze))
    photo = model_to_uint8(frames.images)[0]
    image = photo.permute(2, 0, 1)[None] / 255.0
    person = ((image - GREY).abs().amax(1, keepdim=True) > 0.03).float()
    alpha = F.avg_pool2d(F.max_pool2d(person, 5, 1, 2), 5, 1, 2)
    turned = prepare_source(photo, read_face(photo, landmarker, face_model))
    return with_matte(turned, alpha, image, torch.full_like(image, GREY))


def own_pose(source):
    return FaceCoefficients(torch.zeros(1, 1), source.expression, source.rotation_values, source.camera, "open")


def back_to_front(aside, source, directions):
    """The turned photo in the pose of the straight one."""
    pose = replace(own_pose(aside), rotation=source.rotation_values)
    return coefficient_motion(aside, directions, pose, aside.gaze)


def test_mirrored_rings_lie_on_the_other_half_and_come_back():
    spoke = torch.arange(SPOKES).repeat(RINGS).float()
    mirrored = mirror_rings(spoke)
    assert torch.equal(mirror_rings(mirrored), spoke)
    assert mirrored[0] == 0 and mirrored[5] == SPOKES - 5 and mirrored[SPOKES + 5] == SPOKES - 5


@pytest.mark.parametrize(("yaw", "far"), [(20.0, "left of the image"), (-20.0, "right of the image")])
def test_the_far_half_is_the_one_turned_away(yaw, far):
    rotation = head_pose_to_matrix(torch.tensor([[yaw, 0.0, 0.0]]))[0]
    shape = torch.tensor([[-6.0, 0.0, 0.0], [6.0, 0.0, 0.0]])
    depth = (shape @ rotation.T)[:, 2]
    half = far_half(rotation, shape)
    assert half[depth.argmin()] > 0.95 and half[depth.argmax()] == 0
    assert far_half(torch.eye(3), shape).sum() == 0


def test_only_the_far_half_of_a_turned_photo_is_seen_aside(source, aside):
    topology = load_topology()

    def found(source):
        shape = source.shape[:NUM_FACE]
        return seen_aside(source.rotation[0], shape, source.placement.place(shape[None])[0])

    assert found(source).max() == 0
    hardly = found(aside) > 0.5
    assert 20 < hardly.sum() < 200
    assert len(aside.shape[:NUM_FACE][hardly, 0].sign().unique()) == 1
    wider = spread(found(aside)[:, None], topology)[:, 0]
    assert wider.max() <= 1 and (wider > 0.5).sum() > hardly.sum()
    profile = head_pose_to_matrix(torch.tensor([[60.0, 0.0, 0.0]]))
    shape = aside.shape[:NUM_FACE]
    assert seen_aside(profile[0], shape, shape @ profile[0].T).max() == 0


def test_a_straight_photo_has_no_hidden_side(source):
    hidden = find_hidden_side(source, load_topology())
    assert len(hidden.faces) == 0 and hidden.strength.max() == 0


def test_the_strip_gives_way_where_it_is_drawn_out(aside):
    hidden = find_hidden_side(aside, load_topology())
    one, turned = torch.ones_like(hidden.strength), torch.tensor(15.0)
    hidden = replace(hidden, double=0 * one)
    drawn = giving_way(hidden, torch.full_like(hidden.strength, 3.0), one, turned)
    assert drawn.max() > 0.9 and torch.allclose(drawn, hidden.strength)
    assert giving_way(hidden, torch.ones_like(drawn), one, turned).max() == 0
    assert giving_way(hidden, torch.full_like(drawn, 3.0), 0 * one, turned).max() == 0


def test_the_face_does_not_come_out_a_second_time_beside_itself(photo, reading, source):
    turned = head_pose_to_matrix(torch.tensor([[40.0, 0.0, 0.0]]))[0]
    middle = reading.mesh.mean(0)
    beside = prepare_source(photo, replace(reading, mesh=(reading.mesh - middle) @ turned.T + middle))
    straight, hidden = (find_hidden_side(photo_source, load_topology()) for photo_source in (source, beside))
    twice = (hidden.double[NUM_FACE:] > 0.9).view(RINGS, SPOKES)
    assert straight.double.max() == 0 and twice.sum() > 50
    assert twice.any(0).sum() < SPOKES // 2, "on the far side alone"
    one = torch.ones_like(hidden.double)
    assert giving_way(hidden, one, one, torch.tensor(15.0))[NUM_FACE:][twice.flatten()].min() > 0.9
    assert giving_way(hidden, one, one, torch.tensor(0.0)).max() == 0


def test_the_mirrored_side_grows_outwards_from_the_cheek(aside):
    hidden = find_hidden_side(aside, load_topology())
    none, half, whole = (growth(hidden, torch.tensor(12.0), torch.tensor(share)) for share in (0.0, 0.75, 1.0))
    near, far = hidden.away < 0.3, hidden.away > 6.0
    assert none[near].min() > 0.9 and none[far].max() < 0.01
    assert half[(hidden.away > 2.5) & (hidden.away < 3)].min() > 0.1 and half[far].max() < 0.5
    assert whole.min() > 0.99
    assert growth(hidden, torch.tensor(1.0), torch.tensor(1.0)).max() == 0


def test_turning_back_counts_and_turning_on_does_not(source, aside):
    assert turn_back(aside, source.placement) > 15
    assert turn_back(aside, aside.placement).abs() < 1e-3
    further = replace(aside.placement, rotation=head_pose_to_matrix(torch.tensor([[15.0, 0.0, 0.0]])) @ aside.rotation)
    assert turn_back(aside, further) < -5


def test_a_turned_photo_in_its_own_pose_is_itself(aside, directions):
    frames = WarpRenderer(aside, SIZE).render(coefficient_motion(aside, directions, own_pose(aside), aside.gaze))
    margin = (aside.texture.shape[-1] - int(aside.crop_side)) // 2
    crop = aside.texture[None, :, margin:-margin, margin:-margin]
    wanted = F.interpolate(crop, size=(SIZE, SIZE), mode="bilinear", antialias=True) * 2 - 1
    error = ((frames.images - wanted) / 2).square().mean(1, keepdim=True)[frames.confidence > 0.5].mean()
    assert -10 * torch.log10(error) > 36


def test_the_far_side_shows_the_mirrored_person_without_trust(aside, source, directions):
    motion = back_to_front(aside, source, directions)
    renderer = WarpRenderer(aside, SIZE)
    shown = renderer.render(motion)
    nothing = renderer._hidden.values.clone()
    nothing[:, 2] = 0
    renderer._hidden = replace(renderer._hidden, values=nothing)
    before = renderer.render(motion)
    changed = (shown.images - before.images).abs().amax(1, keepdim=True) > 0.1
    strip = changed & (shown.labels == SURROUNDINGS)
    assert strip.sum() > 100
    assert shown.confidence[strip].min() < HIDDEN_CONFIDENCE + 0.05
    assert (before.confidence - shown.confidence)[strip].mean() > 0.15
    # All of it lies on one side of the face: the far one.
    column = strip.nonzero()[:, 3].float()
    nose = SIZE / 2
    assert ((column < nose).float().mean() - 0.5).abs() > 0.45
