"""The bundled nets, regions and the head geometry."""

import math

import pytest
import torch
from safetensors.torch import load_file

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.geometry.rotations import head_pose_to_matrix
from diffusionact.face.readers.open.landmarker import FaceBlendshapes, FaceLandmarker, FaceMesh, HeadGeometry
from diffusionact.face.readers.open.landmarker.detector import box_overlap, make_anchors, weighted_suppression
from diffusionact.face.readers.open.landmarker.graph import DATA_FOLDER, network_of_graph
from diffusionact.face.readers.open.landmarker.regions import (
    SquareRegions,
    overlapping_tiles,
    sample_regions,
    whole_image,
)
from diffusionact.images import model_to_uint8, resize, uint8_to_model


@pytest.fixture(scope="module")
def mesh():
    return FaceMesh()


@pytest.fixture(scope="module")
def landmarker():
    return FaceLandmarker()


@pytest.fixture(scope="module")
def vertices():
    return load_file(DATA_FOLDER / "face_geometry.safetensors")["vertices"]


def as_mesh(vertices, rotation, shift=(0.0, 0.0), unit=10.0):
    """Canonical vertices turned and drawn without perspective, as mesh points (1, 478, 3) px."""
    points = vertices @ rotation.T * unit * torch.tensor([1.0, -1.0, -1.0])
    points = torch.cat([points, points[:10]])
    points[:, :2] += torch.tensor(shift)
    return points[None]


def test_mesh_of_a_batch_equals_the_meshes_of_single_images(mesh):
    images = torch.rand(3, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    together = mesh(images)[0]
    alone = torch.cat([mesh(image[None])[0] for image in images])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_gradient_flows_through_mesh_and_blendshapes_to_the_image(mesh):
    image = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)).requires_grad_()
    FaceBlendshapes()(mesh(image)[0]).sum().backward()
    assert image.grad.isfinite().all()
    assert image.grad.abs().sum() > 0


def test_nets_have_nothing_to_train(landmarker):
    assert not list(landmarker.parameters())


def test_blendshapes_do_not_depend_on_place_and_scale(mesh):
    points = mesh(torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)))[0]
    net = FaceBlendshapes()
    torch.testing.assert_close(net(points), net(points * 300 + 40), atol=1e-4, rtol=0)
    assert net(points).shape == (1, len(EXPRESSION_NAMES))


def test_a_graph_that_lacks_a_weight_is_rejected():
    graph = {"inputs": ["x"], "outputs": ["y"], "nodes": [{"kind": "add", "inputs": ["x", "w"], "output": "y"}]}
    with pytest.raises(ValueError, match="'Add' without w"):
        network_of_graph(graph, {})


def test_anchors_are_the_cell_centres_of_both_feature_maps():
    anchors = make_anchors()
    assert anchors.shape == (896, 2)
    torch.testing.assert_close(anchors[0], torch.full((2,), 0.5 / 16))
    torch.testing.assert_close(anchors[-1], torch.full((2,), 7.5 / 8))


def test_suppression_averages_overlapping_boxes_and_keeps_distant_ones():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 12], [50, 50, 60, 60]])
    merged, scores = weighted_suppression(boxes, torch.tensor([0.9, 0.3, 0.5]))
    torch.testing.assert_close(merged[0], torch.tensor([0.0, 0.0, 10.0, 10.5]))
    torch.testing.assert_close(merged[1], boxes[2])
    assert scores.tolist() == pytest.approx([0.9, 0.5])


def test_overlap_of_half_covered_boxes_is_one_third():
    assert box_overlap(torch.tensor([0.0, 0, 2, 2]), torch.tensor([[1.0, 0, 3, 2]])).item() == pytest.approx(1 / 3)


def test_unit_square_of_a_turned_region_lands_on_its_corners():
    region = SquareRegions(torch.tensor([[10.0, 20.0]]), torch.tensor([4.0]), torch.tensor([math.pi / 2]))
    corners = region.to_image(torch.tensor([[[0.0, 0.0], [1.0, 0.0]]]))[0]
    torch.testing.assert_close(corners, torch.tensor([[12.0, 18.0], [12.0, 22.0]]))


def test_sampling_at_the_size_of_the_image_returns_its_pixels():
    frame = torch.randint(0, 256, (32, 32, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    image = sample_regions(frame, whole_image(32, 32), 32, "border")
    torch.testing.assert_close(image[0].permute(1, 2, 0), frame.float())


def test_strong_reduction_averages_instead_of_skipping_pixels():
    stripes = torch.zeros(256, 256, 3, dtype=torch.uint8)
    stripes[:, ::2] = 200
    image = sample_regions(stripes, whole_image(256, 256), 16, "border")
    torch.testing.assert_close(image[..., 1:-1, 1:-1], torch.full((1, 3, 14, 14), 100.0), atol=1, rtol=0)


def test_a_part_of_a_large_image_is_sampled_like_the_whole():
    frame = torch.randint(0, 256, (600, 600, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    part = SquareRegions(torch.tensor([[300.0, 280.0]]), torch.tensor([200.0]), torch.tensor([0.3]))
    alone = sample_regions(frame, part, 32, "border")
    shared = sample_regions(frame, SquareRegions.join([part, part]), 32, "border")
    torch.testing.assert_close(alone, shared[:1], atol=1, rtol=0)


def test_tiles_cover_a_wide_image_to_all_its_borders():
    tiles = overlapping_tiles(1080, 1920, 0.25)
    half = tiles.side[:, None] / 2
    assert (tiles.centre - half).amin(0).tolist() == [0, 0]
    assert (tiles.centre + half).amax(0).tolist() == [1920, 1080]


@pytest.mark.parametrize(
    "pose", [(0.0, 0.0, 0.0), (30.0, 0.0, 0.0), (0.0, 20.0, 0.0), (0.0, 0.0, 40.0), (-35.0, 10.0, -60.0)]
)
def test_apparent_rotation_is_the_one_the_face_was_turned_by(pose, vertices):
    rotation = head_pose_to_matrix(torch.tensor([pose]))
    fitted = HeadGeometry().apparent_rotation(as_mesh(vertices, rotation[0]))
    torch.testing.assert_close(fitted, rotation, atol=1e-4, rtol=0)


def test_apparent_rotation_does_not_change_when_the_face_moves_sideways(vertices):
    rotation = head_pose_to_matrix(torch.tensor([[20.0, -5.0, 10.0]]))[0]
    geometry = HeadGeometry()
    still, moved = (geometry.apparent_rotation(as_mesh(vertices, rotation, (x, 0.0))) for x in (100.0, 900.0))
    torch.testing.assert_close(still, moved, atol=1e-3, rtol=0)


def test_perspective_fit_recovers_a_face_seen_by_its_own_camera(vertices):
    rotation = head_pose_to_matrix(torch.tensor([[15.0, -10.0, 5.0]]))[0]
    translation = torch.tensor([3.0, -2.0, -60.0])
    height, width = 480, 640
    metric = vertices @ rotation.T + translation
    unit = height / (2 * math.tan(math.radians(63) / 2))
    x, y, z = metric.unbind(-1)
    # The mesh net gives depth in pixels around any origin, in the scale of the face's own distance.
    points = torch.stack(
        [width / 2 - unit * x / z, height / 2 + unit * y / z, (-z - z.neg().mean()) * unit / 60], dim=-1
    )
    transform = HeadGeometry()(torch.cat([points, points[:10]])[None], height, width)[0]
    scale = transform[:3, 0].norm()
    torch.testing.assert_close(transform[:3, :3] / scale, rotation, atol=0.02, rtol=0)
    torch.testing.assert_close(transform[:3, 3], translation, atol=1.0, rtol=0)


@pytest.mark.parametrize("shape", [(1, 1), (2, 700), (90, 3), (1, 5000)])
def test_images_of_odd_shape_have_no_face_and_raise_nothing(shape, landmarker):
    assert len(landmarker(torch.full((1, *shape, 3), 128, dtype=torch.uint8))[0]) == 0


@torch.no_grad()
def test_small_faces_of_a_large_photo_are_found_once_each(landmarker, portrait):
    """One large face and three small ones, of which the look at the whole sees only the large one."""
    photo = torch.full((800, 1600, 3), 110, dtype=torch.uint8)
    photo[:256, :256] = portrait
    small = model_to_uint8(resize(uint8_to_model(portrait[None]), 130))[0]
    for left, top in ((600, 80), (1000, 300), (700, 560)):
        photo[top : top + small.shape[0], left : left + small.shape[1]] = small
    assert len(landmarker(photo[None])[0]) < 4
    found = landmarker.search_group(photo)
    middles = (found.boxes.view(-1, 2, 2).mean(1) - torch.tensor([[128.0, 90.0]])).norm(dim=-1)
    assert len(found) == 4 and int(middles.argmin()) == 0, "largest first"
    wide = found.points[..., 0].amax(1) - found.points[..., 0].amin(1)
    assert bool((wide[1:] < 0.6 * wide[0]).all())
