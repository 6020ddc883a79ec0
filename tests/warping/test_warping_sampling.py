"""Polygons and mixes against plain, slow definitions."""

import pytest
import torch

from diffusionact.warping.contours import contour_pixels
from diffusionact.warping.sampling import mix, pixel_centres, polygon_distance, smoothstep
from diffusionact.warping.shading import part_labels
from diffusionact.warping.topology import BACKGROUND, load_topology

STAR = torch.tensor([[10.0, 2], [13, 9], [20, 10], [14, 14], [16, 21], [10, 17], [4, 21], [6, 14], [0, 10], [7, 9]])


def plain_distance(point, polygon):
    """One point's signed distance, edge by edge."""
    nearest, inside = float("inf"), False
    for start, end in zip(polygon, polygon.roll(-1, 0), strict=True):
        step = end - start
        along = ((point - start) @ step / (step @ step).clamp(min=1e-12)).clamp(0, 1)
        nearest = min(nearest, float((point - start - along * step).norm()))
        if (start[1] > point[1]) != (end[1] > point[1]):
            inside ^= bool(point[0] < start[0] + (point[1] - start[1]) / step[1] * step[0])
    return nearest if inside else -nearest


@pytest.mark.parametrize("polygon", [STAR, STAR.flip(0), torch.cat([STAR, STAR[-1:]])], ids=["there", "back", "twice"])
def test_polygon_distance_equals_its_definition(polygon):
    points = pixel_centres(24, 24, polygon.device) - 1.37
    expected = torch.tensor([[plain_distance(point, polygon) for point in row] for row in points])
    torch.testing.assert_close(polygon_distance(*points.unbind(-1), polygon), expected, atol=1e-4, rtol=0)


def test_mix_and_smoothstep_leave_their_inputs_alone():
    first, second, share = torch.rand(3, 4), torch.rand(3, 4), torch.rand(4)
    kept = first.clone(), second.clone(), share.clone()
    torch.testing.assert_close(mix(first, second, share), first * (1 - share) + second * share)
    torch.testing.assert_close(smoothstep(1.0, 0.0, share), 1 - share * share * (3 - 2 * share))
    assert all(torch.equal(now, then) for now, then in zip((first, second, share), kept, strict=True))


def test_contours_lie_on_both_sides_of_a_jump_and_of_a_step():
    grid = pixel_centres(8, 8, torch.device("cpu")) / 100
    grid[:, 5:] += 1.0
    label = torch.zeros(8, 8, dtype=torch.uint8)
    assert set((contour_pixels(grid, label, None, 0.5) % 8).tolist()) == {4, 5}
    label[3:] = 1
    cover = label.float()
    rows = contour_pixels(grid[:, :4], label[:, :4], cover[:, :4], 0.5) // 4
    assert set(rows.tolist()) == {2, 3}


def test_labels_of_triangles_and_of_nothing():
    topology = load_topology()
    indices = torch.tensor([[0, len(topology.labels) - 1], [-1, 3]])
    found = part_labels(topology, indices)
    assert found[1, 0] == BACKGROUND and found.dtype == torch.uint8
    assert found[0].tolist() == topology.labels[indices[0]].tolist()
