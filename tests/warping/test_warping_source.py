"""Sources: what is stored of a photo, and photos that are unlike a passport's."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.types import FaceCoefficients
from diffusionact.warping import WarpRenderer, coefficient_motion, prepare_source, read_face, with_matte
from diffusionact.warping.canvas import MAX_CROP_SIDE, MIN_CROP_SIDE, canvas_side
from diffusionact.warping.eyes import eye_frame, iris_axes, opening
from diffusionact.warping.sampling import apply, fill, polygon_coverage, smooth_outline
from diffusionact.warping.topology import EYE_RINGS, NUM_FACE


def render(source, directions, change=(), size=128):
    """The source with some expression values replaced, turned as it is."""
    expression = source.expression.clone()
    for index, value in change:
        expression[0, index] = value
    pose = FaceCoefficients(torch.zeros(1, 1), expression, source.rotation_values, source.camera, "open")
    return WarpRenderer(source, size).render(coefficient_motion(source, directions, pose, source.gaze))


def enlarged(photo, reading, factor):
    """The photo and its reading at another resolution."""
    image = F.interpolate(photo.permute(2, 0, 1)[None].float(), scale_factor=factor, mode="bicubic", antialias=True)
    shift = 0.5 * factor - 0.5
    mesh = reading.mesh * factor + torch.tensor([shift, shift, 0.0])
    aligned = reading.aligned.clone()
    aligned[:, :2] /= factor
    aligned[:, 2] -= aligned[:, :2].sum(1) * shift
    return image[0].permute(1, 2, 0).round().clamp(0, 255).byte(), replace(reading, mesh=mesh, aligned=aligned)


def test_the_canvas_keeps_the_resolution_of_the_photo_within_limits(photo, reading, bare_source):
    assert int(bare_source.crop_side) == MIN_CROP_SIDE  # the astronaut's crop has 171 px
    for factor, side in ((3.0, 514), (8.0, MAX_CROP_SIDE)):
        source = prepare_source(*enlarged(photo, reading, factor))
        assert abs(int(source.crop_side) - side) <= 2
        assert source.texture.shape[-1] == canvas_side(int(source.crop_side))
        assert torch.allclose(source.shape, bare_source.shape, atol=0.02)


def test_all_fields_are_tensors_of_one_device(source):
    assert {tensor.device.type for tensor in source.tensors().values()} == {"cpu"}
    assert all(torch.isfinite(tensor).all() for tensor in source.tensors().values())


def test_well_seen_are_the_cheeks_and_not_the_rim(source):
    assert source.seen[[50, 280, 1, 9]].min() > 0.95
    assert source.seen[:NUM_FACE].min() < 0.2


def test_the_eye_patch_has_the_corners_on_its_middle_line(source, reading):
    aligned = apply(source.aligned, reading.mesh[:, :2])
    for frame, ring in zip(source.eye_frames, EYE_RINGS, strict=True):
        corners = apply(frame, apply(source.to_grid, aligned[[ring[0], ring[8]]]))
        assert corners[:, 1].abs().max() < 1e-3
        assert torch.allclose(corners[:, 0].abs(), torch.full((2,), 0.5 / 1.1), atol=1e-3)
        own = eye_frame(aligned[list(ring)])
        assert torch.allclose(apply(own, aligned[[ring[0], ring[8]]]), corners, atol=1e-3)


def test_the_white_patch_has_no_iris(source):
    for eye in range(2):
        middle = apply(source.eye_frames[eye], source.irises[eye, 0])
        side = source.eye_white.shape[-1]
        x, y = ((middle + 1) / 2 * side).long()
        place = apply(source.to_grid, apply(source.aligned, source.aligned.new_zeros(1, 2)))
        assert place.shape == (1, 2)
        assert source.eye_white[eye, :, y, x].mean() > source.iris_rings[eye, :, 2].mean() + 0.15


def test_iris_axes_carry_the_circle_onto_the_rim():
    points = torch.tensor([[5.0, 5.0], [8.0, 5.0], [5.0, 2.0], [2.0, 5.0], [5.0, 8.0]])
    assert torch.allclose(iris_axes(points), 3 * torch.eye(2))


def test_a_matte_of_another_size_is_rejected(bare_source):
    with pytest.raises(ValueError, match="photo's size"):
        with_matte(bare_source, torch.ones(1, 1, 8, 8), torch.ones(1, 3, 8, 8), torch.ones(1, 3, 9, 8))


def test_a_mesh_of_another_kind_is_rejected(photo, reading):
    with pytest.raises(ValueError, match="478"):
        prepare_source(photo, replace(reading, mesh=reading.mesh[:68]))


def test_a_photo_without_a_face_is_told(landmarker, face_model):
    with pytest.raises(NoFaceFoundError, match="none was found"):
        read_face(torch.full((64, 80, 3), 120, dtype=torch.uint8), landmarker, face_model)


def test_the_face_nearest_to_given_landmarks_is_read(photo, landmarker, face_model):
    face = photo[0:256, 96:352]
    two = torch.cat([face, face.flip(1)], dim=1)
    middles = torch.tensor([[128.0, 100.0], [384.0, 100.0]])
    left, right = (read_face(two, landmarker, face_model, middle.expand(68, 2)).mesh[:, 0].mean() for middle in middles)
    assert left < 256 < right
    with pytest.raises(NoFaceFoundError, match="finds only others"):
        read_face(face, landmarker, face_model, torch.full((68, 2), 1000.0))


def test_shut_eyes_in_the_photo_stay_shut_and_nothing_fails(photo, reading, directions):
    mesh = reading.mesh.clone()
    for ring in EYE_RINGS:
        upper, lower = list(ring[1:8]), [ring[16 - i] for i in range(1, 8)]
        mesh[upper] = mesh[lower]
    expression = reading.coefficients.expression.clone()
    expression[0, 9:11] = 0.7
    shut = replace(reading, mesh=mesh, coefficients=replace(reading.coefficients, expression=expression))
    source = prepare_source(photo, shut)
    frames = render(source, directions, change=((9, 0.0), (10, 0.0)))
    assert torch.isfinite(frames.images).all()
    assert opening(source.shape, EYE_RINGS[0]) < 1e-3


@pytest.mark.parametrize("corner", [(0, 0), (220, 0), (0, 300)], ids=["all", "cut left", "cut above"])
def test_a_face_cut_by_the_photos_edge_can_be_rendered(photo, reading, directions, corner):
    left, top = corner[0], corner[1] // 2
    aligned = reading.aligned.clone()
    aligned[:, 2] += aligned[:, :2] @ torch.tensor([float(left), float(top)])
    mesh = reading.mesh - torch.tensor([float(left), float(top), 0.0])
    source = prepare_source(photo[top:, left:], replace(reading, mesh=mesh, aligned=aligned))
    frames = render(source, directions, change=((25, 0.5),))
    assert torch.isfinite(frames.images).all() and torch.isfinite(frames.confidence).all()


@pytest.mark.parametrize("yaw", [-32, 32])
def test_a_photo_turned_aside_gives_a_source_that_can_look_ahead(source, directions, turn, landmarker, face_model, yaw):
    motion = coefficient_motion(source, directions, turn(yaw=float(yaw)), source.gaze)
    shown = WarpRenderer(source, 320).render(motion).images
    turned_photo = ((shown[0].permute(1, 2, 0) + 1) * 127.5).round().byte()
    aside = prepare_source(turned_photo, read_face(turned_photo, landmarker, face_model))
    assert aside.seen[:NUM_FACE].mean() < source.seen[:NUM_FACE].mean() - 0.05
    frames = render(aside, directions, change=((25, 0.4),))
    assert torch.isfinite(frames.images).all()
    assert (aside.seen > 0.5).float().mean() > 0.6


def test_beyond_the_photo_its_border_goes_on_and_nothing_is_mirrored(photo, reading):
    height, width = photo.shape[:2]
    marked = photo.clone()
    left = int(reading.mesh[:, 0].min()) - 20
    cut = marked[:, left:].contiguous()
    cut[:, :3], cut[:, 8:24] = 20, 255  # a bright stripe close to the cut
    aligned = reading.aligned.clone()
    aligned[:, 2] += aligned[:, :2] @ torch.tensor([float(left), 0.0])
    mesh = reading.mesh - torch.tensor([float(left), 0.0, 0.0])
    source = prepare_source(cut, replace(reading, mesh=mesh, aligned=aligned))
    beyond = (source.inside[0] < 0.5).float().cumprod(1).bool()  # left of the photo
    side = source.texture.shape[-1]
    rows = slice(side // 2 - 40, side // 2 + 40)
    assert beyond[rows].any(1).all()
    colours = source.texture.mean(0)[rows][beyond[rows]]
    assert colours.max() < 0.75 and colours.min() < 0.2


def test_background_between_strands_is_no_part_of_the_person(bare_source, photo, reading):
    """A gap beside the head that shows the background's colour is dropped, though the net calls it person."""
    image = photo.permute(2, 0, 1)[None] / 255.0
    y, x = torch.meshgrid(torch.arange(photo.shape[0]), torch.arange(photo.shape[1]), indexing="ij")
    low, high = reading.mesh[:, :2].amin(0), reading.mesh[:, :2].amax(0)
    size = high - low
    middle = (low + high) / 2
    alpha = (((x - middle[0]).abs() < 0.8 * size[0]) & ((y - middle[1]).abs() < 0.7 * size[1])).float()[None, None]
    background = torch.full_like(image, 0.5)
    gap = ((x - high[0] - 0.22 * size[0]).abs() < 0.06 * size[0]) & ((y - middle[1]).abs() < 0.2 * size[1])
    shown = torch.where(gap, 0.5, image)
    source = with_matte(prepare_source((shown[0].permute(1, 2, 0) * 255).byte(), reading), alpha, shown, background)
    at = torch.stack([high[0] + 0.22 * size[0], middle[1]])[None]
    place = apply(source.to_grid, apply(source.aligned, torch.cat([at, middle[None]])))
    inside = F.grid_sample(source.matte[None], place[None, None], align_corners=False)[0, 0, 0]
    assert inside[0] < 0.3 and inside[1] > 0.95


def test_fill_keeps_what_is_valid_and_continues_it():
    image = torch.zeros(1, 16, 16)
    image[:, :, :8] = 0.7
    valid = torch.zeros(1, 16, 16)
    valid[:, :, :6] = 1
    filled = fill(image, valid, (1.0, 3.0))
    assert torch.equal(filled[:, :, :6], image[:, :, :6])
    assert (filled[:, :, 6:] - 0.7).abs().max() < 0.02


def test_coverage_of_a_polygon_is_its_area():
    square = torch.tensor([[2.3, 2.0], [9.0, 2.0], [9.0, 8.5], [2.3, 8.5]])
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    cover = polygon_coverage(x, y, square)
    assert abs(float(cover.sum()) - 6.7 * 6.5) < 0.8
    round_outline = smooth_outline(square, corners=())
    assert len(round_outline) == 12
    assert torch.allclose(round_outline[::3], square)
