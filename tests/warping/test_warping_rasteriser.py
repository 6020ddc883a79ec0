"""The z-buffer against a plain loop over pixels and triangles."""

import torch

from diffusionact.warping.contours import contour_pixels, look_closer
from diffusionact.warping.rasteriser import interpolate, rasterise, value_planes
from diffusionact.warping.sampling import pixel_centres


def loop(screen, faces, height, width):
    """The nearest front-facing triangle of each pixel, one by one."""
    shown = torch.full((height, width), -1)
    depth = torch.full((height, width), -torch.inf)
    for t, face in enumerate(faces.tolist()):
        a, b, c = screen[face].double()
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area >= 0:
            continue
        for y in range(height):
            for x in range(width):
                v = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
                w = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
                z = (1 - v - w) * a[2] + v * b[2] + w * c[2]
                if min(v, w, 1 - v - w) >= 0 and z > depth[y, x]:
                    depth[y, x], shown[y, x] = z, t
    return shown


def random_triangles(count, size, seed):
    generator = torch.Generator().manual_seed(seed)
    screen = torch.rand(3 * count, 3, generator=generator) * (size + 10) - 5
    return screen, torch.arange(3 * count).view(count, 3)


def test_rasterise_equals_a_loop_over_all_pixels_and_triangles():
    screen, faces = random_triangles(30, 24, seed=1)
    shown = rasterise(screen, faces, 20, 24)
    assert torch.equal(shown, loop(screen, faces, 20, 24))
    assert (shown >= 0).float().mean() > 0.5


def test_triangles_turned_away_are_not_drawn():
    screen = torch.tensor([[2.0, 2.0, 0.0], [12.0, 2.0, 0.0], [2.0, 12.0, 0.0]])
    seen, hidden = torch.tensor([[0, 2, 1]]), torch.tensor([[0, 1, 2]])
    assert (rasterise(screen, seen, 16, 16) == 0).sum() > 40
    assert (rasterise(screen, hidden, 16, 16) >= 0).sum() == 0


def test_neighbouring_triangles_leave_no_pixel_between_them():
    axis = torch.linspace(-3.3, 36.7, 12)
    x, y = torch.meshgrid(axis, axis, indexing="xy")
    screen = torch.stack([x, y, torch.zeros_like(x)], -1).view(-1, 3)
    screen[:, :2] += 0.4 * torch.randn(len(screen), 2, generator=torch.Generator().manual_seed(3))
    index = torch.arange(144).view(12, 12)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = torch.cat([torch.stack(t, -1).view(-1, 3) for t in ((a, c, b), (b, c, d))])
    assert (rasterise(screen, faces, 32, 32) >= 0).all()


def test_values_are_interpolated_linearly():
    screen, faces = random_triangles(10, 24, seed=4)
    shown = rasterise(screen, faces, 24, 24)
    values = torch.stack([2 * screen[:, 0] - screen[:, 1] + 3, screen[:, 2]], dim=1)
    x = torch.arange(24.0)
    seen = interpolate(value_planes(screen, faces, values), shown, x, x[:, None])[0]
    wanted = 2 * x - x[:, None] + 3
    assert torch.allclose(seen[shown >= 0], wanted[shown >= 0], atol=1e-2)


def test_nothing_in_view_gives_an_empty_image():
    screen, faces = random_triangles(3, 10, seed=5)
    assert (rasterise(screen + 100, faces, 8, 8) == -1).all()
    assert (rasterise(screen, faces[:0], 8, 8) == -1).all()


def test_a_slanted_edge_is_seen_in_quarters_of_its_pixels():
    screen = torch.tensor([[0.0, -20.0, 0.0], [0.0, 40.0, 0.0], [24.0, 40.0, 0.0]])
    faces = torch.tensor([[0, 1, 2]])
    shown = rasterise(screen, faces, 16, 16)
    grid = pixel_centres(16, 16, screen.device) / 16
    contour = contour_pixels(grid, shown, (shown >= 0).float(), jump=1.0)
    seen, positions = look_closer(screen, faces, shown, contour)
    # The edge from (0, -20) to (24, 40): positions on its left lie inside.
    inside = (positions[..., 0] >= 0) & (positions[..., 0] < (positions[..., 1] + 20) * 24 / 60)
    assert torch.equal(seen >= 0, inside)
    partly = (seen >= 0).float().mean(1)
    assert ((partly > 0) & (partly < 1)).sum() >= 4
