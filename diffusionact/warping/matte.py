"""Person probability -> matte: a soft outline at the photo's resolution, the person's own colour, what lies behind.

Broad steps run on a small copy of the photo, the last step of each at full size, so a large photo costs little more
than a small one. Images are (1, 3, H, W) float RGB in [0, 1], maps (1, 1, H, W); pixel k has its centre at k.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .inpainting import fill_smoothly
from .regions import box_blur, dilate, erode, face_gauge, fill_holes, flood, resize, to_nearest
from .sampling import smoothstep

WORK_SIDE = 320  # px, longest side of the small copy
REGION_SIDE = 160  # px, longest side where regions are followed from pixel to pixel
SURE_LOW, SURE_HIGH = 0.15, 0.85  # the net's probability is taken as settled beyond these
# In lengths of the face:
BRIDGE = 0.06  # what hangs on the person by a thinner bridge is no part of them
FILTER_RADIUS = 0.04
EDGE_REACH = 0.06  # how far the guided filter may move the outline
COLOUR_RADII = (0.12, 0.04)
BACKGROUND_MARGIN = 0.05  # loose strands beside the outline are left out of the background
MIRROR_DEPTH = (0.15, 0.35)  # between these depths behind the person the mirrored background fades
BROAD = 0.1  # structures of this size and less are mirrored; it is a radius
MIRROR_BLUR = 0.06  # of the way to the rim, which is ragged where hair is
MIRROR_FADE = 0.12  # it ends over this way where its mirror image would lie beyond the photo, or on the person
GUIDED_EPSILON = 3e-4
SETTLED = 0.06  # of the filter's answer: nearer to 0 or 1 than this is 0 or 1, or a haze would stay
# No person recognised: the matte is the face's hull enlarged by these factors, soft between them.
HEAD_FACTORS = (1.25, 1.75)
MIN_FACE_SEEN = 0.3
FACE_OF_PHOTO = 0.35  # length of the face assumed where none is given, as a share of the photo's longest side


@dataclass(frozen=True)
class Matte:
    """A photo taken apart: photo = alpha * foreground + (1 - alpha) * background, up to loose strands.

    Attributes:
        alpha: (1, 1, H, W) in [0, 1], 1 = person.
        foreground: (1, 3, H, W) in [0, 1], the person's colour without background in it; the photo where alpha is 1.
        background: (1, 3, H, W) in [0, 1], made up behind the person.
    """

    alpha: Tensor
    foreground: Tensor
    background: Tensor


@torch.no_grad()
def extract_matte(image: Tensor, probability: Tensor, face: Tensor | None = None) -> Matte:
    """Take a photo apart into person and background.

    Args:
        image: (1, 3, H, W) in [0, 1].
        probability: (1, 1, h, w) of any size with the photo's proportions, as `PersonSegmenter.look` gives it.
        face: (N, 2 or more) photo pixels of the face's points; the person is then the one with this face, and where the
            net sees nobody there (a statue, a drawing) the head's surroundings stand in. None takes all people.

    Returns:
        The matte; without a person and without a face, alpha is 0 and the background is the photo.

    Raises:
        ValueError: if the shapes are others.
    """
    _check(image, probability)
    height, width = image.shape[2:]
    length = (
        FACE_OF_PHOTO * max(height, width) if face is None else float((face[:, :2].amax(0) - face[:, :2].amin(0)).max())
    )
    scale = min(1.0, WORK_SIDE / max(height, width))
    small = resize(image, (math.ceil(height * scale), math.ceil(width * scale)))
    coarse = person_region(probability, small.shape[2:], face, image.shape[2:])
    alpha = refine(image, small, coarse, length * scale)
    foreground = own_colour(image, small, alpha, length * scale)
    return Matte(alpha, foreground, background_behind(image, small, alpha, length * scale))


def person_region(probability: Tensor, size: tuple[int, int], face: Tensor | None, photo: tuple[int, int]) -> Tensor:
    """Settled probability (1, 1, *size): one person without holes, and nothing that merely touches them."""
    scale = min(1.0, REGION_SIDE / max(size))
    low_size = (math.ceil(size[0] * scale), math.ceil(size[1] * scale))
    settled = smoothstep(SURE_LOW, SURE_HIGH, resize(probability, size))
    if face is None:
        holes = fill_holes(resize(settled, low_size) > 0.5)
        return torch.maximum(settled, resize(holes.float(), size))
    # 1. The face is a person's, whatever the net says.
    gauge = face_gauge(face, size, photo)
    hull = (gauge < 1).float()
    if (settled * hull).sum() < MIN_FACE_SEEN * hull.sum():
        return 1 - smoothstep(*HEAD_FACTORS, gauge)
    settled = torch.maximum(settled, hull)
    # 2. Keep what hangs together with the face, also after an erosion by half of the thinnest bridge.
    low, low_hull = resize(settled, low_size) > 0.5, resize(hull, low_size) > 0.5
    length = float((face[:, :2].amax(0) - face[:, :2].amin(0)).max()) / max(photo) * max(low_size)
    radius = max(1, round(BRIDGE * length))
    kept = flood(low_hull, erode(low, radius) | low_hull)
    kept = dilate(kept, radius + 2)
    # 3. Close holes.
    settled = settled * resize(kept.float(), size)
    holes = fill_holes((low & kept) | low_hull)
    return torch.maximum(settled, resize(holes.float(), size).mul(2).sub(1).clamp(0, 1))


def refine(image: Tensor, small: Tensor, coarse: Tensor, length: float) -> Tensor:
    """The outline (1, 1, H, W) where the photo has it.

    Guided filter (He, Sun, Tang, ECCV 2010) with the colours as guide; its slopes come from the small copy and are
    applied to the full photo (He and Sun, Fast Guided Filter, 2015). `length`: of the face, pixels of the small copy.
    """
    slopes, offset = guided_slopes(small, coarse, max(2, round(FILTER_RADIUS * length)), GUIDED_EPSILON)
    size = image.shape[2:]
    fine = (resize(slopes, size) * image).sum(1, keepdim=True) + resize(offset, size)
    fine = ((fine - SETTLED) / (1 - 2 * SETTLED)).clamp(0, 1)
    # The filter may move the outline, not make islands and holes far from it.
    reach = max(2, round(EDGE_REACH * length))
    inside, outside = erode(coarse, reach), dilate(coarse, reach)
    return torch.maximum(torch.minimum(fine, resize(outside, size)), resize(inside, size)).clamp(0, 1)


def guided_slopes(guide: Tensor, values: Tensor, radius: int, epsilon: float) -> tuple[Tensor, Tensor]:
    """Local linear model values = slopes . guide + offset: slopes (1, 3, h, w), offset (1, 1, h, w), box averaged."""
    mean_guide, mean_values = box_blur(guide, radius), box_blur(values, radius)
    outer = (guide[:, :, None] * guide[:, None]).flatten(1, 2)
    covariance = box_blur(outer, radius) - (mean_guide[:, :, None] * mean_guide[:, None]).flatten(1, 2)
    covariance = covariance.permute(0, 2, 3, 1).unflatten(-1, (3, 3))
    covariance = covariance + epsilon * torch.eye(3, device=guide.device)
    cross = box_blur(guide * values, radius) - mean_guide * mean_values
    slopes = (inverse_3x3(covariance) @ cross.permute(0, 2, 3, 1)[..., None])[..., 0].permute(0, 3, 1, 2)
    offset = mean_values - (slopes * mean_guide).sum(1, keepdim=True)
    return box_blur(slopes, radius), box_blur(offset, radius)


def inverse_3x3(matrices: Tensor) -> Tensor:
    """Inverse of symmetric matrices (..., 3, 3) by cross products; far faster than a batched factorisation."""
    a, b, c = matrices.unbind(-2)
    rows = [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)]
    determinant = (a * rows[0]).sum(-1)
    return torch.stack(rows, dim=-1) / determinant[..., None, None]


def own_colour(image: Tensor, small: Tensor, alpha: Tensor, length: float) -> Tensor:
    """The person's colour (1, 3, H, W) at soft pixels, without the background that shines through.

    Blur fusion (Forte, Approximate Fast Foreground Colour Estimation, ICIP 2021), two passes; the blurred colours come
    from the small copy.
    """
    share = resize(alpha, small.shape[2:])
    person = small
    for factor in COLOUR_RADII:
        radius = max(1, round(factor * length))
        weight = box_blur(share, radius)
        front = box_blur(person * share, radius) / weight.clamp(min=1e-4)
        back = box_blur(small * (1 - share), radius) / (1 - weight).clamp(min=1e-4)
        person = (front + share * (small - share * front - (1 - share) * back)).clamp(0, 1)
    front, back = resize(front, image.shape[2:]), resize(back, image.shape[2:])
    return (front + alpha * (image - alpha * front - (1 - alpha) * back)).clamp(0, 1)


def background_behind(image: Tensor, small: Tensor, alpha: Tensor, length: float) -> Tensor:
    """The photo without the person (1, 3, H, W): mirrored behind the rim, deeper a smooth mix of the rim's colours."""
    share = resize(alpha, small.shape[2:])
    margin = max(2, round(BACKGROUND_MARGIN * length))
    person = box_blur(dilate((share > 0.03).float(), margin), max(1, margin // 2))
    known = 1 - smoothstep(0.0, 0.5, person)
    if float(known.max()) < 0.5:  # the person fills the photo: any colour is a guess, their mean is the mildest
        return small.mean((2, 3), keepdim=True).expand_as(image).clone()
    smooth = fill_smoothly(small, known)
    mirrored, is_near = mirrored_inwards(image, known, length)
    # Detail from beside the hole, broad colours from all around it.
    other = (1 - known) * (smooth - resize(mirrored, small.shape[2:]))
    radius = max(1, round(BROAD * length))
    mirrored = mirrored + resize(box_blur(box_blur(other, radius), radius), image.shape[2:])
    filled, cover = resize(smooth, image.shape[2:]), resize(known, image.shape[2:])
    filled = filled + is_near * (mirrored - filled)
    return (cover * image + (1 - cover) * filled).clamp(0, 1)


def mirrored_inwards(image: Tensor, known: Tensor, length: float) -> tuple[Tensor, Tensor]:
    """What lies beside a hole, mirrored at its rim, which goes on in texture as well; how far that is to be believed.

    Args:
        image: (1, 3, H, W).
        known: (1, 1, h, w) in [0, 1] of a small copy, 0 in the hole.
        length: of the face, pixels of the small copy.

    Returns:
        (1, 3, H, W); (1, 1, H, W) in [0, 1], less the deeper it lies in the hole.
    """
    height, width = known.shape[2:]
    away = to_nearest(known > 0.5)
    deep = 1 - smoothstep(*(share * length for share in MIRROR_DEPTH), away.square().sum(1, keepdim=True).sqrt())
    radius = max(1, round(MIRROR_BLUR * length))
    away = box_blur(box_blur(away, radius), radius)
    size = image.shape[2:]
    step = away * away.new_tensor([2 / width, 2 / height])[:, None, None]  # of the grid
    rows, columns = ((torch.arange(count, device=image.device) + 0.5) * 2 / count - 1 for count in size)
    here = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))[None]
    grid = (here + 2 * resize(step, size)).movedim(1, -1)
    there = F.grid_sample(known, resize(grid.movedim(-1, 1), (height, width)).movedim(1, -1), align_corners=False)
    # It fades before it ends: nothing of the person is mirrored, and the photo's edge leaves no edge in the hole.
    radius = max(1, round(MIRROR_FADE * length / 4))
    there = box_blur(box_blur(erode(there, 2 * radius), radius), radius)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False), resize(there * deep, size)


def _check(image: Tensor, probability: Tensor) -> None:
    if image.ndim != 4 or image.shape[:2] != (1, 3) or probability.ndim != 4 or probability.shape[:2] != (1, 1):
        raise ValueError(
            f"Expected an image (1, 3, H, W) and a probability (1, 1, h, w), received {tuple(image.shape)} and "
            f"{tuple(probability.shape)}; pass one photo and its map."
        )
