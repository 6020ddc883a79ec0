"""A source's eyes made ready: the white without the iris, the lids without lashes, the lashes, the iris by radius.

Each eye has a square patch with its own grid coordinates: the middle of the corners is 0, x runs along the corners to
the image's right, and half the patch is PATCH_REACH eye widths.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .sampling import apply, blur, fill, mix, pixel_centres, pixels_to_grid, polygon_coverage, sample, smoothstep
from .topology import EYE_RINGS, IRISES

PATCH = 224
PATCH_REACH = 1.1
EYE_WIDTH_PX = PATCH / (2 * PATCH_REACH)
# Height above the lid's edge that counts as lashes and lid, in eye widths.
LASH_ZONE = 0.26
# Lashes at the outer corner reach out this far beyond it, and above it, in eye widths.
OUTER_LASHES = (0.2, 0.16)
# Lashes: distances from the edge of the lid, in eye widths, and steps along it.
LASH_BELOW, LASH_ABOVE, LASH_ROWS, LASH_COLUMNS = 0.05, 0.16, 24, 40
# Rim of the opening that the lids' edges and lashes colour, in half patches.
LID_RIM = 0.035
IRIS_RINGS = 16
IRIS_REACH = 1.1
# An iris is never flatter than this: lids cover its upper and lower rim.
MIN_IRIS_ASPECT = 0.9
MIN_SCLERA_PX = 60.0
# Brightness of the white behind the iris, a quantile of what is seen, and how much it may be raised for that.
BRIGHT_SCLERA, MAX_SCLERA_GAIN = 0.6, 1.6
# Brightness of a closed lid for that of the skin around the eye, and how much the skin may be brightened for it.
LID_BRIGHTNESS, MAX_LID_GAIN = 0.75, 1.25
DARK = (0.08, 0.06, 0.05)
# Eyes that are open by less than the first show nothing but lashes, by more than the second their own colours, height
# for width; else they are drawn: the white, and the iris by radius with pupil and rim.
NARROW, SHOWN = 0.1, 0.15
# Openings of an eye from which the other one, if it is shut, may have its iris, and has; far eyes of turned heads seem
# more open than they are.
LENT = (0.2, 0.26)
WHITE, GREY_BROWN = (0.79, 0.75, 0.72), (0.26, 0.21, 0.18)
PUPIL, RIM = (0.3, 0.45), (0.82, 1.0)


@dataclass(frozen=True)
class Eyes:
    """Both eyes' patches; the fields of `WarpSource` of the same names."""

    eye_frames: Tensor
    irises: Tensor
    eye_white: Tensor
    lid_skin: Tensor
    eye_masks: Tensor
    lashes: Tensor
    iris_rings: Tensor


def eye_frame(ring: Tensor) -> Tensor:
    """(*B, 2, 3) px or grid coordinates -> the patch's grid, of the ring (*B, 16, 2) around an eye in the same ones."""
    across = ring[..., 8, :] - ring[..., 0, :]
    across = across * across[..., :1].sign()
    width = across.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    x = across / width
    linear = torch.stack([x, _turned(x)], dim=-2) / (PATCH_REACH * width)[..., None]
    middle = (ring[..., 0, :] + ring[..., 8, :]) / 2
    return torch.cat([linear, -(linear @ middle[..., None])], dim=-1)


def _turned(vectors: Tensor) -> Tensor:
    """Vectors (*S, 2) turned from x to y."""
    return torch.stack([-vectors[..., 1], vectors[..., 0]], dim=-1)


def iris_axes(points: Tensor) -> Tensor:
    """(*B, 2, 2) matrix whose columns carry the unit circle onto an iris, of its five points (*B, 5, 2)."""
    across = (points[..., 1, :] - points[..., 3, :]) / 2
    across = across * torch.where(across[..., :1] < 0, -1.0, 1.0)
    width = across.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    height = (points[..., 2, :] - points[..., 4, :]).norm(dim=-1, keepdim=True) / 2
    down = _turned(across) / width * torch.maximum(height, MIN_IRIS_ASPECT * width)
    return torch.stack([across, down], dim=-1)


def opening(points: Tensor, ring: tuple[int, ...]) -> Tensor:
    """How open eyes are: height for width () or (F,), of points (..., N, 2 or 3)."""
    return ring_opening(points[..., list(ring), :])


def ring_opening(ring: Tensor) -> Tensor:
    """Height for width (*B,) of the rings (*B, 16, 2 or 3) around eyes."""
    height = (ring[..., 4, :] - ring[..., 12, :]).norm(dim=-1)
    return height / (ring[..., 0, :] - ring[..., 8, :]).norm(dim=-1).clamp(min=1e-6)


def prepare_eyes(texture: Tensor, mesh: Tensor) -> Eyes:
    """Both eyes of a source.

    Args:
        texture: (3, side, side), the canvas.
        mesh: (478, 2) grid coordinates of the canvas.
    """
    prepared = [_prepare(texture, mesh, *eye) for eye in zip(EYE_RINGS, IRISES, strict=True)]
    *parts, drawn, own, opened = (torch.stack(values) for values in zip(*prepared, strict=True))
    # The iris of a shut eye is that of the other one, if the photo shows it there.
    hidden = mix(drawn, own.flip(0), smoothstep(*LENT, opened.flip(0)))
    return Eyes(*parts, mix(hidden, own, smoothstep(NARROW, SHOWN, opened)))


def _prepare(texture: Tensor, mesh: Tensor, ring: tuple[int, ...], iris: tuple[int, ...]) -> tuple[Tensor, ...]:
    frame = eye_frame(mesh[list(ring)])
    linear = torch.linalg.inv(frame[:, :2])
    back = torch.cat([linear, -(linear @ frame[:, 2:])], dim=1)
    pixels = pixel_centres(PATCH, PATCH, texture.device)
    to_grid = pixels_to_grid(PATCH, texture.device)
    patch = sample(texture, apply(back, apply(to_grid, pixels)), "bicubic").clamp(0, 1)
    points = (apply(frame, mesh) - to_grid[:, 2]) * (PATCH / 2)  # px of the patch
    lids = points[list(ring)]
    mask = polygon_coverage(*pixels.unbind(-1), lids, 2.0)[None]
    axes = iris_axes(points[list(iris)])
    radius = ((pixels - points[iris[0]]) @ torch.linalg.inv(axes).T).norm(dim=-1)[None]
    lid_skin, zone = _skin(patch, pixels, lids)
    opened = opening(points, ring)
    shown = smoothstep(NARROW, SHOWN, opened)
    white, rings = _drawn_eye((lid_skin * mask).sum((1, 2)) / mask.sum().clamp(min=1e-3))
    return (
        frame,
        mesh[list(iris)],
        mix(mix(patch, white[:, None, None], mask), _without_iris(patch, mask, radius), shown),
        lid_skin,
        torch.cat([mask, zone]),
        _lashes(patch, lid_skin, lids),
        rings,
        _iris_colours(patch, _clear_of_lids(mask), radius),
        opened[None, None],
    )


def _drawn_eye(lid: Tensor) -> tuple[Tensor, Tensor]:
    """Colours of an eye that the photo does not show, for a lid (3,): the white (3,), the iris (3, IRIS_RINGS)."""
    light = 0.3 + 0.7 * (lid.mean() / LID_BRIGHTNESS).clamp(0.0, 1.0)
    radius = (torch.arange(IRIS_RINGS, device=lid.device) + 0.5) / IRIS_RINGS * IRIS_REACH
    dark, outer = (lid.new_tensor(colour)[:, None] for colour in (DARK, GREY_BROWN))
    iris = mix(dark, outer * light, smoothstep(*PUPIL, radius))
    return lid.new_tensor(WHITE) * light, mix(iris, 0.5 * outer * light, smoothstep(*RIM, radius))


def _without_iris(patch: Tensor, mask: Tensor, radius: Tensor) -> Tensor:
    """The white of the eye goes on where the iris is."""
    sclera = mask * smoothstep(1.1, 1.28, radius)  # without the dark rim of the iris
    sclera = sclera * (sclera > 0.8)
    if sclera.sum() < MIN_SCLERA_PX:
        return patch
    filled = fill(patch, sclera, (0.06 * EYE_WIDTH_PX, 0.15 * EYE_WIDTH_PX, 0.4 * EYE_WIDTH_PX))
    hide = 1 - smoothstep(1.15, 1.38, radius)
    # What fills the iris came from shaded corners too, but lies where the eyeball is lit.
    brightness = filled.mean(0, keepdim=True)
    bright = patch.mean(0)[sclera[0] > 0].quantile(BRIGHT_SCLERA)
    filled = (filled * (bright / brightness.clamp(min=0.02)).clamp(1.0, MAX_SCLERA_GAIN)).clamp(0, 1)
    return patch + hide * (filled - patch)


def _skin(patch: Tensor, pixels: Tensor, lids: Tensor) -> tuple[Tensor, Tensor]:
    """The skin around the eye continued over it, and the soft zone of eye, upper lid and lashes."""
    upper = lids[:9]
    lifted = upper - lids.new_tensor([0.0, LASH_ZONE * EYE_WIDTH_PX])
    # Rings begin at the outer corner.
    outwards = (lids[0, 0] - lids[8, 0]).sign()
    aside, above = (EYE_WIDTH_PX * reach for reach in OUTER_LASHES)
    outer = lids[0] + torch.stack([outwards * aside, lids.new_tensor(-above)])
    lifted = torch.cat([outer[None], lifted[1:]])
    whole = torch.cat([lids[:1], lifted, lids[9:]])
    whole = whole + 0.07 * EYE_WIDTH_PX * (whole - lids.mean(0)) / (whole - lids.mean(0)).norm(dim=-1, keepdim=True)
    hidden = polygon_coverage(*pixels.unbind(-1), whole, 0.06 * EYE_WIDTH_PX)[None]
    valid = (hidden < 0.02).float()
    skin = fill(patch, valid, (0.05 * EYE_WIDTH_PX, 0.12 * EYE_WIDTH_PX, 0.3 * EYE_WIDTH_PX, 0.6 * EYE_WIDTH_PX))
    skin = skin + hidden * (blur(skin, 0.03 * EYE_WIDTH_PX) - skin)
    # The hollow of an open eye is darker than a lid that is stretched over it.
    brightness = skin.mean(0, keepdim=True)
    bright = brightness[valid > 0].quantile(0.6) if valid.any() else brightness.mean()
    gain = (LID_BRIGHTNESS * bright / brightness.clamp(min=0.02)).clamp(1.0, MAX_LID_GAIN)
    gain = blur(mix(1.0, gain, hidden), 0.12 * EYE_WIDTH_PX)
    skin = (skin * gain).clamp(0, 1)
    zone = polygon_coverage(*pixels.unbind(-1), torch.cat([lifted, upper.flip(0)]), 0.12 * EYE_WIDTH_PX)[None]
    return skin, torch.maximum(zone, hidden * (1 - smoothstep(0.0, 0.1 * EYE_WIDTH_PX, pixels[..., 1] - lids[12, 1])))


def edge_curve(edge: Tensor, columns: int) -> tuple[Tensor, Tensor]:
    """Points (*B, columns, 2) at equal steps along a line (*B, K, 2) and its unit normals, turned upwards."""
    length = (edge[..., 1:, :] - edge[..., :-1, :]).norm(dim=-1).clamp(min=1e-6)
    reached = F.pad(length.cumsum(-1), (1, 0))
    wanted = torch.linspace(0, 1, columns, device=edge.device) * reached[..., -1:]
    segment = (torch.searchsorted(reached, wanted) - 1).clamp(0, edge.shape[-2] - 2)
    share = ((wanted - reached.gather(-1, segment)) / length.gather(-1, segment))[..., None]
    start, end = (edge.gather(-2, (segment + i)[..., None].expand(*segment.shape, 2)) for i in (0, 1))
    points = start * (1 - share) + end * share
    ahead = points.roll(-1, -2) - points.roll(1, -2)
    ahead[..., 0, :], ahead[..., -1, :] = points[..., 1, :] - points[..., 0, :], points[..., -1, :] - points[..., -2, :]
    ahead = ahead / ahead.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    normal = torch.stack([ahead[..., 1], -ahead[..., 0]], dim=-1)
    return points, normal * torch.where(normal[..., 1:] > 0, -1.0, 1.0)


def _lashes(patch: Tensor, skin: Tensor, lids: Tensor) -> Tensor:
    """(3, rows, columns) how much darker than the skin the pixels along the upper lid's edge are, in [0, 1]."""
    points, normals = edge_curve(lids[:9], LASH_COLUMNS)
    distance = torch.linspace(-LASH_BELOW, LASH_ABOVE, LASH_ROWS, device=patch.device) * EYE_WIDTH_PX
    positions = points + distance[:, None, None] * normals
    grid = apply(pixels_to_grid(PATCH, patch.device), positions)
    ratio = (sample(patch, grid) / sample(skin, grid).clamp(min=0.05)).clamp(0.1, 1.0)
    # Within the opening there is eye, not lash: the darkness of the edge itself goes on there.
    row = (distance >= 0).nonzero()[0, 0]
    ratio[:, :row] = ratio[:, row : row + 2].mean(1, keepdim=True)
    height = smoothstep(LASH_ABOVE, 0.4 * LASH_ABOVE, distance / EYE_WIDTH_PX)
    depth = smoothstep(-LASH_BELOW, -0.3 * LASH_BELOW, distance / EYE_WIDTH_PX)
    return 1 - (height * depth)[:, None] * (1 - ratio)


def _clear_of_lids(mask: Tensor) -> Tensor:
    """The opening (1, P, P) without the rims above and below that lids colour."""
    rim = round(LID_RIM * PATCH / 2)
    return torch.minimum(mask.roll(rim, 1), mask.roll(-rim, 1))


def _iris_colours(patch: Tensor, mask: Tensor, radius: Tensor) -> Tensor:
    """(3, IRIS_RINGS) mean colour by radius, from the visible part."""
    weight = mask * (mask > 0.8)
    colours, latest = [], patch.new_tensor(DARK)
    for index in range(IRIS_RINGS):
        near = weight * (-((radius - (index + 0.5) / IRIS_RINGS * IRIS_REACH) / 0.06).square()).exp()
        if near.sum() > 1:
            latest = (patch * near).sum((1, 2)) / near.sum()
        colours.append(latest)
    return torch.stack(colours, dim=1)
