"""Beyond the photo's edge: a head that the edge cuts off closes, hair and shoulders go on, and so does the background.

Nothing there is known, and nothing of it has confidence: it is soft, and is there so that a close portrait looks whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .canvas import beyond_photo, photo_positions, photo_side
from .sampling import apply, blur, mix, polygon_distance, sample, smoothstep
from .surroundings import SKULL_CENTRE, on_skull
from .topology import OVAL
from .values import WarpSource
from .view import WORK_SIDE, small_grid, small_plane

# The head's outline is followed by directions around the skull's centre, in this many bins of a full circle.
BINS = 96
# Degrees from upwards: hair lies nearer than the first; between the others head goes over into neck and shoulders.
HAIR_DEG, BODY_DEG = 105.0, (95.0, 125.0)
# In the skull's radii: where hair ends if no outline is seen, and between what it may; how far at least beyond an edge
# that cuts it; the outline's softness.
CROWN, PAST_EDGE, SOFTNESS = (1.05, 1.35), 0.08, 0.08
# The unseen outline is relaxed so often, and drawn to the crown by this share each time.
RELAXATIONS, PULL = 200, 0.01
# Shoulders beside the photo fall by this slope; blur of the person there, px of the small canvas.
SLOPE, BODY_BLUR = 0.7, 4.0
# The oval grown by these factors, downwards and upwards, is face, or the forehead above it where there is no fringe,
# and must not be seen a second time.
FACE, FOREHEAD = (1.03, 1.03), (1.03, 1.25)
# Opacity of what is surely the person; differences from the skin's colour from which on it is a fringe rather than a
# forehead in shadow; what differs most from skin is hair, and the rest counts less by this power of its share.
PERSON, FRINGE, HAIR_POWER, MIN_HAIR = 0.9, (0.17, 0.37), 2, 0.1
# Drawn strands: how many locks and strands in a full circle, their sway in degrees and its waves, and their contrast,
# as a multiple of that of the hair that is seen, which is measured over so many px of the small canvas.
NUM_STRANDS, SWAY_DEG, WAVES, CONTRAST, MAX_CONTRAST, CONTRAST_BLUR = (90, 800), 4.0, 6.0, 0.5, 0.1, 3.0
# Blurs, px of the small canvas, of hair that is looked for farther and farther away.
HAIR_REACH = (40.0, 20.0, 10.0)
# Distances from the edge, shares of the crop's side: the border's own colours go over into broad hair, mirrored hair
# fades, the background becomes mirrored, and the whole is that of the layers.
TO_HAIR, STRANDS, TO_SCENE, TO_LAYERS = (0.0, 0.06), (0.3, 0.06), (0.0, 0.15), (0.0, 0.04)
# Blur of the mirrored background, share of the crop's side; of what may be mirrored, and of the edge, px of the small
# canvas.
SCENE_BLUR, OWN_BLUR, RIM_BLUR = 0.05, 1.5, 1.0


@dataclass(frozen=True)
class Layers:
    """A photo on its canvas of S px, and what it consists of, in [0, 1].

    Attributes:
        photo: (3, S, S).
        matte: (1, S, S) of the person.
        person, background: (3, S, S).
    """

    photo: Tensor
    matte: Tensor
    person: Tensor
    background: Tensor


@dataclass(frozen=True)
class Places:
    """Of the S x S pixels of a canvas, by what of the photo each of them continues; within the photo by itself.

    Attributes:
        far: (S, S) distance from the photo, shares of the crop's side.
        mirrored: (S, S, 2) grid coordinates, mirrored at the edge.
        shoulders: (S, S, 2) grid coordinates of the nearest place, beside the photo of a higher one: shoulders fall.
    """

    far: Tensor
    mirrored: Tensor
    shoulders: Tensor


def continue_beyond(source: WarpSource, layers: Layers, size: tuple[int, int]) -> Layers:
    """The layers of a photo of (height, width) px, continued beyond its edges; within them the photo stays."""
    places, around, inside = _places(source, size), _around_skull(source), source.inside
    # The net often loses the person on the outermost pixels: there the closed outline decides, too.
    closed = _closed(source, layers.matte, places, *around)
    rim = _large(smoothstep(0.05, 0.3, blur(1 - _small(inside), RIM_BLUR)), inside)
    matte = torch.where(inside > 0.5, torch.maximum(layers.matte, rim * closed), closed)
    person = mix(_person_beyond(source, layers, places, *around), layers.person, inside)
    background = mix(_scene_beyond(source, layers, places), layers.background, inside)
    whole = mix(layers.photo, mix(background, person, matte), smoothstep(*TO_LAYERS, places.far))
    return Layers(mix(whole, layers.photo, inside), matte, person, background)


def _places(source: WarpSource, size: tuple[int, int]) -> Places:
    positions = photo_positions(source.aligned, int(source.crop_side))
    end = positions.new_tensor([size[1] - 1.0, size[0] - 1.0])
    mirrored = (end - (end - positions.abs()).abs()).clamp(min=0)
    x, y = positions.unbind(-1)
    beside = (x - x.clamp(0, end[0])).abs()
    nearest = torch.minimum(torch.stack([x, y - SLOPE * beside], dim=-1).clamp(min=0), end)
    far = beyond_photo(positions, size) / photo_side(source.aligned)
    grids = (apply(source.to_grid, apply(source.aligned, place)) for place in (mirrored, nearest))
    return Places(far, *grids)


def _around_skull(source: WarpSource) -> tuple[Tensor, Tensor]:
    """Of the small canvas (w, w): degrees from upwards around the skull's centre, and how far out in its radii."""
    plane = small_plane(source)
    _, reach = on_skull(plane[None], source.placement)
    centre = source.shape.new_tensor([SKULL_CENTRE, SKULL_CENTRE])
    centre[1, 1] += 1.0
    middle, above = source.placement.place(centre[None])[0, :, :2]
    (x, y), (up_x, up_y) = (plane[:, :2] - middle).unbind(-1), (above - middle).unbind(-1)
    direction = torch.rad2deg(torch.atan2(x * up_y - y * up_x, x * up_x + y * up_y))
    return direction.view(WORK_SIDE, WORK_SIDE), reach.view(WORK_SIDE, WORK_SIDE)


def _closed(source: WarpSource, matte: Tensor, places: Places, direction: Tensor, reach: Tensor) -> Tensor:
    """(1, S, S) of the person: the head closed by an outline that joins what is seen of it, shoulders that fall.

    Args:
        source: made ready.
        matte: (1, S, S) of the photo.
        places: of the canvas.
        direction, reach: see `_around_skull`.
    """
    small, inside = _small(torch.cat([matte, source.inside]))
    place = (direction / 360 + 0.5) * BINS
    bin_of = place.long().clamp(max=BINS - 1).flatten()
    shown = inside.flatten() > 0.5
    edge = _farthest(reach.flatten(), bin_of, shown)
    person = _farthest(reach.flatten(), bin_of, shown & (small.flatten() > 0.5))
    outline = _outline(person, person > edge - PAST_EDGE)
    head = smoothstep(SOFTNESS, -SOFTNESS, reach - _on_circle(outline, place - 0.5))
    body = smoothstep(0.4, 0.6, blur(_small(sample(matte, places.shoulders)), BODY_BLUR)[0])
    return _large(mix(head, body, smoothstep(*BODY_DEG, direction.abs()))[None], matte)


def _farthest(reach: Tensor, bin_of: Tensor, where: Tensor) -> Tensor:
    """(BINS,) the largest reach (P,) in each bin, 0 where there is none."""
    return reach.new_zeros(BINS).scatter_reduce(0, bin_of, torch.where(where, reach, 0.0), "amax")


def _outline(person: Tensor, cut: Tensor) -> Tensor:
    """(BINS,) of the head: as seen; where the photo's edge cuts it (BINS,), a smooth join beyond this edge."""
    degrees = ((torch.arange(BINS, device=person.device) + 0.5) / BINS - 0.5).abs() * 360
    seen = person[~cut & (degrees < BODY_DEG[0])]
    crown = (seen.median() if len(seen) else person.new_tensor(sum(CROWN) / 2)).clamp(*CROWN)
    least = torch.where(cut, person + PAST_EDGE, 0.0)
    outline = torch.where(cut, torch.maximum(least, crown), person)
    for _ in range(RELAXATIONS):
        smooth = mix((outline.roll(1) + outline.roll(-1)) / 2, crown, PULL)
        outline = torch.where(cut, torch.maximum(smooth, least), person)
    return outline


def _person_beyond(source: WarpSource, layers: Layers, places: Places, direction: Tensor, reach: Tensor) -> Tensor:
    """(3, S, S) hair, mirrored at the edge and then drawn in its colours; below it the border's colours go on."""
    far = places.far
    colour, person, inside = _small(torch.cat([layers.person, layers.matte, source.inside])).split([3, 1, 1])
    from_skin = (colour - source.light[:, None, None]).norm(dim=0, keepdim=True)
    fringe = smoothstep(*FRINGE, from_skin) * _outside(source, FACE)
    own = (person > PERSON) * (inside > PERSON) * torch.maximum(_outside(source, FOREHEAD), fringe)
    above = own * (direction.abs() < HAIR_DEG)
    if float(above.sum()) == 0:
        return layers.person
    weight = above * (from_skin / (from_skin * above).amax().clamp(min=MIN_HAIR)) ** HAIR_POWER
    strands = 1 + _contrast(colour, weight) * _strands(direction, reach, far)
    hair = (_large(_broad(colour, weight), far) * strands).clamp(0, 1)
    head = mix(layers.person, hair, smoothstep(*TO_HAIR, far))
    near = torch.cat([layers.person, _large(blur(own, OWN_BLUR), far)])
    mirrored, is_own = sample(near, places.mirrored).split([3, 1])
    head = mix(head, mirrored, smoothstep(0.5, 1.0, is_own) * smoothstep(*STRANDS, far))
    return mix(head, layers.person, _large(smoothstep(*BODY_DEG, direction.abs())[None], far))


def _outside(source: WarpSource, growth: tuple[float, float]) -> Tensor:
    """(1, w, w) 1 outside of the face's oval, grown by factors downwards and upwards."""
    oval = source.positions[list(OVAL)]
    away = oval - oval.mean(0)
    grown = oval.mean(0) + away * torch.where(away[:, 1:] < 0, growth[1], growth[0])
    return (polygon_distance(*small_grid(source.device).unbind(-1), grown) < 0)[None].float()


def _broad(colour: Tensor, weight: Tensor) -> Tensor:
    """(3, w, w) the weighted mean of the colours around each pixel, as near as there are any."""
    result = (colour * weight).sum((1, 2), keepdim=True) / weight.sum().clamp(min=1e-6)
    for sigma in HAIR_REACH:
        near = blur(weight, sigma)
        result = mix(result, blur(colour * weight, sigma) / near.clamp(min=1e-6), smoothstep(0.0, 0.1, near))
    return result


def _contrast(colour: Tensor, weight: Tensor) -> Tensor:
    """() spread of the brightness of hair (3, w, w) over a short distance, as a share of it."""
    luma = colour.mean(0, keepdim=True)
    share = weight / weight.sum().clamp(min=1e-6)
    spread = ((luma - blur(luma, CONTRAST_BLUR)).square() * share).sum().sqrt()
    return (CONTRAST * spread / (luma * share).sum().clamp(min=0.05)).clamp(max=MAX_CONTRAST)


def _strands(direction: Tensor, reach: Tensor, like: Tensor) -> Tensor:
    """(1, S, S) brightness of strands around 0, waving outwards from the skull's centre; always the same ones."""
    direction, reach = _large(torch.stack([direction, reach]), like)
    generator, brightness = torch.Generator().manual_seed(0), torch.zeros_like(reach)
    circle = (direction + SWAY_DEG * (WAVES * reach + direction / SWAY_DEG / 4).sin()) / 360 + 0.5
    for count in NUM_STRANDS:
        brightness += _on_circle(torch.randn(count, generator=generator).to(like), circle * count)
    return brightness[None]


def _on_circle(values: Tensor, index: Tensor) -> Tensor:
    """Values (K,) in a circle at any index (*S,), between two of them a mix of both."""
    low = index.floor().long()
    return torch.lerp(values[low % len(values)], values[(low + 1) % len(values)], index - low)


def _scene_beyond(source: WarpSource, layers: Layers, places: Places) -> Tensor:
    """(3, S, S) the border's background going over into the one mirrored at the edge, which is blurred."""
    mirrored = blur(sample(layers.background, places.mirrored), SCENE_BLUR * float(source.crop_side))
    return mix(layers.background, mirrored, smoothstep(*TO_SCENE, places.far))


def _small(layers: Tensor) -> Tensor:
    """Layers (C, S, S) on the small canvas (C, w, w)."""
    return F.interpolate(layers[None], size=(WORK_SIDE, WORK_SIDE), mode="area")[0]


def _large(small: Tensor, like: Tensor) -> Tensor:
    """Layers (C, w, w) on the canvas (C, S, S) of another layer."""
    return F.interpolate(small[None], size=like.shape[-2:], mode="bilinear")[0]
