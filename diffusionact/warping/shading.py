"""Colours of a frame from the photo's textures: the person over the still background, and smooth contours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .contours import JUMP_PX, contour_pixels, look_closer
from .rasteriser import gather, interpolate
from .sampling import mix, sample
from .topology import BACKGROUND, SURROUNDINGS, Topology
from .values import WarpSource

# The texture has at most this many pixels for one of the output, so that fine patterns do not alias.
MAX_DENSITY = 1.2
# Less of the person than this is not drawn.
MIN_COVER = 0.01


@dataclass(frozen=True)
class Textures:
    """A source's textures at the resolution of an output.

    Attributes:
        photo, colour: (3, side, side) in [0, 1], see `WarpSource`.
        inside, matte: (1, side, side).
        jump: distance in the grid that tells a contour.
    """

    photo: Tensor
    colour: Tensor
    inside: Tensor
    matte: Tensor
    jump: float


@dataclass(frozen=True)
class Visible:
    """What a frame's mesh shows at each pixel.

    Attributes:
        screen: (N, 3) px, the vertices.
        triangle: (H, W), -1 where nothing lies.
        planes: (T, 3, 2) the texture's positions as functions of the screen.
        grid: (H, W, 2) the texture's place.
        label: (H, W) the part.
    """

    screen: Tensor
    triangle: Tensor
    planes: Tensor
    grid: Tensor
    label: Tensor


def textures_for(source: WarpSource, density: float) -> Textures:
    """Shrink the textures so that they are not much finer than the output.

    Args:
        source: made ready.
        density: pixels of the canvas for one of the output.
    """
    layers = torch.cat([source.texture, source.colour, source.inside, source.matte])
    if density > MAX_DENSITY:
        side = max(1, round(layers.shape[-1] / density * MAX_DENSITY))
        layers = F.interpolate(layers[None], size=(side, side), mode="bilinear", antialias=True)[0]
        density = MAX_DENSITY
    photo, colour, inside, matte = (part.contiguous() for part in layers.split([3, 3, 1, 1]))
    return Textures(photo, colour, inside, matte, JUMP_PX * density * 2 / layers.shape[-1])


def part_labels(topology: Topology, triangle: Tensor) -> Tensor:
    """The part that each triangle index (*S) belongs to."""
    return torch.where(triangle >= 0, gather(topology.labels, triangle.clamp(min=0)), BACKGROUND)


def draw_surfaces(
    textures: Textures, topology: Topology, visible: Visible, skirt: Tensor, background: Tensor, amount: Tensor
) -> tuple[Tensor, Tensor]:
    """Colours of all pixels and how much the person, or the bent photo, covers them.

    Args:
        textures: see `textures_for`.
        topology: of the mesh.
        visible: what is seen.
        skirt: (H, W) how far skin is drawn out over background; below 0, how far the photo gives way to it.
        background: (3, H, W) what lies behind.
        amount: () how far the person is cut out of the background.

    Returns:
        (3, H, W) and (H, W).
    """
    height, width = visible.triangle.shape
    skirt, behind = skirt.reshape(-1), background.flatten(1)
    image, cover = _shade(textures, visible.grid.view(-1, 2), visible.label.flatten(), skirt, behind, amount)
    contour = contour_pixels(visible.grid, visible.label, cover.view(height, width), textures.jump)
    if len(contour):
        triangle, positions = look_closer(visible.screen, topology.faces, visible.triangle, contour)
        count = triangle.shape[1]
        grid = interpolate(visible.planes, triangle.flatten(), positions.view(-1, 2))
        skirt, behind = (part[..., contour].repeat_interleave(count, -1) for part in (skirt, behind))
        colours, covers = _shade(textures, grid, part_labels(topology, triangle).flatten(), skirt, behind, amount)
        image[:, contour] = colours.view(3, -1, count).mean(-1)
        cover[contour] = covers.view(-1, count).mean(-1)
    return image.view(3, height, width), cover.view(height, width)


def _shade(
    textures: Textures, grid: Tensor, label: Tensor, skirt: Tensor, background: Tensor, amount: Tensor
) -> tuple[Tensor, Tensor]:
    """`draw_surfaces` for a list of P positions, without a closer look."""
    hit = (label != BACKGROUND).float()
    if amount <= 0 and not (skirt < 0).any():
        image = sample(textures.photo, grid, "bicubic")
        return mix(background, image, hit), hit
    around = label == SURROUNDINGS
    gives_way = (-skirt).clamp(min=0) * around
    matte = torch.where(around, sample(textures.matte, grid)[0].clamp(0, 1), hit)
    matte = torch.maximum(matte, skirt * around) * (1 - gives_way)
    soft = around & (matte > MIN_COVER) & ((matte < 1 - MIN_COVER) | (skirt > MIN_COVER))
    if amount >= 1:  # where the person does not lie, the photo need not be looked up
        shown = ((matte > MIN_COVER) & ~soft).nonzero()[:, 0]
        soft = soft.nonzero()[:, 0]
        cut = background.clone()
        cut[:, shown] = mix(background[:, shown], sample(textures.photo, grid[shown], "bicubic"), matte[shown])
        cut[:, soft] = mix(background[:, soft], sample(textures.colour, grid[soft], "bicubic"), matte[soft])
        return cut, matte
    image = sample(textures.photo, grid, "bicubic")
    soft = soft.nonzero()[:, 0]
    own = image.clone()
    own[:, soft] = sample(textures.colour, grid[soft], "bicubic")
    amount = torch.maximum(amount, gives_way)  # what is hidden comes out also where the rest of the photo still bends
    return mix(mix(background, image, hit), mix(background, own, matte), amount), mix(hit, matte, amount)
