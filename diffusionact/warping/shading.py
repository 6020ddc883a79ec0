"""Colours of a frame from the photo's textures: the person over the still background, and smooth contours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .contours import JUMP_PX, contour_pixels, look_closer
from .rasteriser import gather, interpolate
from .sampling import mix, mix_into, sample, side_by_side, take
from .topology import BACKGROUND, SURROUNDINGS, Topology
from .values import WarpSource

# The texture has at most this many pixels for one of the output, so that fine patterns do not alias.
MAX_DENSITY = 1.2
# Up to this side, px, textures are also kept at twice their resolution, to be fetched linearly: a fourth of the time.
MAX_FINE_SIDE = 1300
# Sharpening of the finer texture that makes up for what linear fetching takes away.
FINE_SHARPENING = 0.1
# Less of the person than this is not drawn.
MIN_COVER = 0.01


@dataclass(frozen=True)
class Textures:
    """A source's textures at the resolution of an output.

    Attributes:
        photo, colour: (3, side, side) in [0, 1], see `WarpSource`.
        masks: (2, side, side) `inside` and `matte`, which are fetched together.
        fine: (3, 2 side, 2 side), `photo` for linear fetching; None where it would be too large.
        jump: distance in the grid that tells a contour.
    """

    photo: Tensor
    colour: Tensor
    masks: Tensor
    fine: Tensor | None
    jump: float

    @property
    def matte(self) -> Tensor:
        """(1, side, side) how much of a pixel is the person."""
        return self.masks[1:]

    def fetch(self, grid: Tensor) -> Tensor:
        """The photo's colours (3, *S) at grid coordinates (*S, 2), as bicubic interpolation has them."""
        return sample(self.photo, grid, "bicubic") if self.fine is None else sample(self.fine, grid)


@dataclass(frozen=True)
class Visible:
    """What a frame's mesh shows at each pixel.

    Attributes:
        screen: (N, 3) px, the vertices.
        triangle: (H, W), -1 where nothing lies.
        planes: (3, 2, T) the texture's positions as functions of the screen.
        grid: (H, W, 2) the texture's place.
        label: (H, W) the part.
        masks: (1 or 2, H, W) in [0, 1], whether the photo shows what is there, and the matte unless the photo bends as
            a whole.
    """

    screen: Tensor
    triangle: Tensor
    planes: Tensor
    grid: Tensor
    label: Tensor
    masks: Tensor


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
    photo, colour, masks = (part.contiguous() for part in layers.split([3, 3, 2]))
    return Textures(photo, colour, masks, _finer(photo), JUMP_PX * density * 2 / layers.shape[-1])


def _finer(photo: Tensor) -> Tensor | None:
    """(3, 2 side, 2 side) of a photo (3, side, side), a little sharper."""
    side = photo.shape[-1]
    if side > MAX_FINE_SIDE:
        return None
    fine = F.interpolate(photo[None], size=(2 * side, 2 * side), mode="bicubic")[0]
    for axis in (1, 2):
        step = fine.diff(dim=axis).mul_(FINE_SHARPENING)
        fine.narrow(axis, 0, 2 * side - 1).sub_(step)
        fine.narrow(axis, 1, 2 * side - 1).add_(step)
    return fine


def part_labels(topology: Topology, triangle: Tensor) -> Tensor:
    """The part uint8 that each triangle index (*S) belongs to; -1 is the background."""
    return gather(topology.labels_behind, triangle + 1)


def draw_surfaces(
    textures: Textures, topology: Topology, visible: Visible, skirt: Tensor | None, background: Tensor, amount: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Colours of all pixels and how much the person, or the bent photo, covers them.

    Args:
        textures: see `textures_for`.
        topology: of the mesh.
        visible: what is seen.
        skirt: (H, W) how far skin is drawn out over background; below 0, how far the photo gives way to it; None if the
            photo bends as a whole.
        background: (3, H, W) what lies behind.
        amount: () how far the person is cut out of the background.

    Returns:
        (3, H, W) and (H, W); None in place of the second if everything is covered.
    """
    height, width = visible.triangle.shape
    skirt, behind = None if skirt is None else skirt.reshape(-1), background.flatten(1)
    grid, label, matte = visible.grid.view(-1, 2), visible.label.flatten(), visible.masks[-1].flatten()
    image, cover = _shade(textures, grid, label, matte, skirt, behind, amount)
    map_of_cover = None if cover is None else cover.view(height, width)
    contour = contour_pixels(visible.grid, visible.label, map_of_cover, textures.jump)
    if len(contour):
        triangle, positions = look_closer(visible.screen, topology.faces, visible.triangle, contour)
        count = triangle.shape[1]
        grid = side_by_side(*interpolate(visible.planes, triangle.flatten(), *positions.view(-1, 2).unbind(-1)))
        label = part_labels(topology, triangle).flatten()
        matte = sample(textures.matte, grid)[0].clamp(0, 1)
        closer = None if skirt is None else skirt[contour].repeat_interleave(count)
        behind = behind.index_select(1, contour).repeat_interleave(count, -1)
        colours, covers = _shade(textures, grid, label, matte, closer, behind, amount)
        image[:, contour] = colours.view(3, -1, count).mean(-1)
        if cover is None and covers is not None:
            cover = torch.ones_like(image[0])
        if cover is not None:
            cover[contour] = 1.0 if covers is None else covers.view(-1, count).mean(-1)
    return image.view(3, height, width), None if cover is None else cover.view(height, width)


def _shade(
    textures: Textures,
    grid: Tensor,
    label: Tensor,
    matte: Tensor,
    skirt: Tensor | None,
    background: Tensor,
    amount: Tensor,
) -> tuple[Tensor, Tensor | None]:
    """`draw_surfaces` for a list of P positions, without a closer look."""
    hit = label != BACKGROUND
    if skirt is None:
        image = textures.fetch(grid)
        return (image, None) if hit.all() else (mix(background, image, hit.float()), hit.float())
    hit, around = hit.float(), label == SURROUNDINGS
    gives_way = (-skirt).clamp(min=0) * around
    matte = torch.where(around, matte, hit)
    matte = torch.maximum(matte, skirt * around) * (1 - gives_way)
    soft = around & (matte > MIN_COVER) & ((matte < 1 - MIN_COVER) | (skirt > MIN_COVER))
    if amount >= 1:  # where the person does not lie, the photo need not be looked up
        shown = ((matte > MIN_COVER) & ~soft).nonzero()[:, 0]
        soft = soft.nonzero()[:, 0]
        cut = background.clone()
        mix_into(cut, shown, textures.fetch(take(grid, shown)), matte.index_select(0, shown))
        mix_into(cut, soft, sample(textures.colour, take(grid, soft), "bicubic"), matte.index_select(0, soft))
        return cut, matte
    image = textures.fetch(grid)
    soft = soft.nonzero()[:, 0]
    own = image.clone()
    own[:, soft] = sample(textures.colour, take(grid, soft), "bicubic")
    amount = torch.maximum(amount, gives_way)  # what is hidden comes out also where the rest of the photo still bends
    return mix(mix(background, image, hit), mix(background, own, matte), amount), mix(hit, matte, amount)
