"""The upper teeth that a photo shows: where they end along the mouth, and their colour; measured once per source.

Lines along the mouth have a value for each of `columns`, from the image's left to its right. Heights are cm of head
space, on the arch of the teeth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .mouth import heights_at
from .sampling import apply, fill, mix, sample, side_by_side, smoothstep
from .teeth import ROW_RISE, TOOTH_HEIGHT_CM, UPPER_EDGE_CM, arch_depth, tooth_shade
from .values import WarpSource
from .view import source_grid

# The columns, and how far below the lip each is looked at, cm.
REACH_CM, COLUMNS = 2.4, 97
DEPTH_STEP_CM, DEPTHS = 0.03, 48
# Brightness in green for that of the skin, of no teeth and of teeth: in 28 photos of 14 people up to 0.51 without,
# 0.81 and more with them, and 0.73 where a turned mouth shows lips alone.
NO_TEETH, TEETH = 0.5, 0.75
# A tooth begins near the lip as bright as this share of the brightest, and ends where a share of its own is left, cm.
NEAR_LIP_CM, AS_TOOTH, LEFT_OF_TOOTH = 0.6, 0.6, 0.75
# The brightest are looked for in the middle of the mouth, under the lip, cm.
MIDDLE_CM, UNDER_LIP_CM, BRIGHTEST = 1.2, 0.8, 0.85
# Teeth that end so close to the lower lip go on behind it, cm.
BEHIND_LIP_CM = 0.15
# The lip shades the teeth so far below it, but no more of them than this share, cm.
SHADE_CM, MAX_SHADED = 0.25, 0.5
# Less of a tooth is not shown, cm.
MIN_SHOWN_CM = 0.12
# What is dark under the lip is gum if it is so high, and its shade if the teeth below are shorter than this, cm.
GUM_SHOWN_CM, LONG_TOOTH_CM = (0.06, 0.15), (0.5, 0.7)
# How far the row is tilted at most, cm per cm, and how far a tooth ends above or below it, cm.
MAX_TILT, MAX_ABOVE_CM, MAX_BELOW_CM = 0.15, 0.1, 0.06
# Widths over which gaps between teeth are closed and lines are smoothed, columns, and blurs that continue colours.
GAP, SMOOTH, SIDES, TEETH_WIDE, COLOUR_BLURS = 5, 5, 9, 31, (4.0, 10.0, 30.0)
# Brightness of the columns for that of all.
MIN_SIDE, MAX_SIDE = 0.7, 1.5


@dataclass(frozen=True)
class OwnTeeth:
    """A photo's upper teeth.

    Attributes:
        shows: () in [0, 1], whether what the photo shows under the upper lip is teeth.
        lines: (6, COLUMNS) height of their lower edge; how far below the lip they leave its shade, cm; whether the
            photo shows them there, in [0, 1]; and the colour that drawn teeth must have to look like them.
        height: () from the edge to the gum, cm.
    """

    shows: Tensor
    lines: Tensor
    height: Tensor

    @property
    def brightness(self) -> Tensor:
        """() of the teeth that the photo shows."""
        shown = self.lines[2].clamp(min=1e-3)
        return ((self.lines[3:].mean(0) * shown).sum() / shown.sum()).clamp(min=0.02)

    def at(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The lines at x (h, w) cm from the mouth's middle: (h, w) each, and the colour (3, h, w)."""
        across = x * ((COLUMNS - 1) / COLUMNS / REACH_CM)
        edge, shade, shown, *colour = sample(self.lines[:, None], side_by_side(across, torch.zeros_like(across)))
        return edge, shade, shown, torch.stack(colour)


def columns(device: torch.device) -> Tensor:
    """(COLUMNS,) cm from the mouth's middle."""
    return torch.linspace(-REACH_CM, REACH_CM, COLUMNS, device=device)


def find_own_teeth(source: WarpSource, middle: Tensor, front: Tensor, lips: Tensor, seam: Tensor) -> OwnTeeth:
    """Measure the upper teeth of a photo.

    Args:
        source: made ready.
        middle: () x of the mouth's middle, cm.
        front: () z of the front teeth, cm.
        lips: (2, 11, 2) see `mouth.lip_lines`.
        seam: () height of the closed lips, cm.
    """
    x = columns(source.device)
    upper, lower = heights_at(lips, (x + middle)[None])[:, 0]
    depth = DEPTH_STEP_CM * torch.arange(DEPTHS, device=x.device)[:, None]
    y = upper - depth
    places = torch.stack([(x + middle).expand_as(y), y, (front - arch_depth(x)).expand_as(y)], dim=-1)
    *colours, mask = sample(source.mouth_inside, apply(source.mouth_frame, source_grid(source, places)))
    colours, seen = torch.stack(colours), (mask > 0.5) & (y > lower)
    white = _whiteness(colours, source.light)
    near = seen & (x.abs() < MIDDLE_CM) & (depth < UNDER_LIP_CM)
    if not near.any():
        return _none(upper, source.light)
    brightest = white[near].quantile(BRIGHTEST)
    bright = near & (white >= LEFT_OF_TOOTH * brightest)  # never empty, not even where all is black
    shows = smoothstep(NO_TEETH, TEETH, colours[1, bright].mean() / source.light[1].clamp(min=0.02))
    tooth, begins, end = _column_ends(white, seen, depth, brightest)
    edge = upper - end
    # The row through them, which those behind the lower lip go on to, and those that the photo does not show.
    usual = seam - UPPER_EDGE_CM + ROW_RISE * x.square()
    edge = torch.where(edge - lower < BEHIND_LIP_CM, torch.minimum(edge, usual), edge)
    row = _row(x, edge, begins, usual)
    valid = (begins & (upper - edge > MIN_SHOWN_CM)).float()
    edge = torch.where(begins, edge.clamp(row - MAX_BELOW_CM, row + MAX_ABOVE_CM), row)
    edge = mix(_no_edge(upper), edge, shows)
    shown = smoothstep(0.3, 0.9, _smooth(F.max_pool1d(valid[None], GAP, 1, GAP // 2)[0], SIDES))
    shaded = ((upper - edge).clamp(min=0) * MAX_SHADED).clamp(max=SHADE_CM)
    told = tooth & begins & (y > edge) & (white > LEFT_OF_TOOTH * brightest)
    colour = _colour_line(x, colours, told, near & (white >= brightest))
    lines = torch.cat([torch.stack([_smooth(edge, SMOOTH), shaded, shown]), colour])
    return OwnTeeth(shows, lines, _height(upper - edge, DEPTH_STEP_CM * tooth.int().argmax(0), valid > 0))


def _column_ends(white: Tensor, seen: Tensor, depth: Tensor, brightest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where (D, K) is tooth; in each column (K,) whether one begins near the lip, and how far below it ends, cm."""
    tooth = seen & (white > AS_TOOTH * brightest)
    begins = (tooth & (depth < NEAR_LIP_CM)).any(0)
    whitest = torch.where(tooth, white, 0.0).cummax(0).values
    ends = (whitest > 0) & ((white < LEFT_OF_TOOTH * whitest) | ~seen)
    return tooth, begins, DEPTH_STEP_CM * ends.int().argmax(0)


def _height(shown: Tensor, gum: Tensor, valid: Tensor) -> Tensor:
    """() height of the teeth, of which (K,) are shown below the upper lip, (K,) of it gum."""
    if not valid.any():
        return shown.new_tensor(TOOTH_HEIGHT_CM)
    tooth, gum = (shown - gum)[valid].median(), gum[valid].median()
    shows_gum = smoothstep(*GUM_SHOWN_CM, gum) * smoothstep(*LONG_TOOTH_CM, tooth)
    return mix(shown[valid].max().clamp(min=TOOTH_HEIGHT_CM), tooth, shows_gum)


def _none(upper: Tensor, light: Tensor) -> OwnTeeth:
    nothing = torch.zeros_like(upper)
    lines = torch.stack([_no_edge(upper), nothing, nothing])
    lines = torch.cat([lines, light[:, None].expand(-1, COLUMNS)])
    return OwnTeeth(light.new_zeros(()), lines, light.new_tensor(TOOTH_HEIGHT_CM))


def _no_edge(upper: Tensor) -> Tensor:
    """(K,) in an open, dark mouth the upper teeth end at the lip (K,)."""
    return upper.amax() + ROW_RISE * columns(upper.device).square()


def _colour_line(x: Tensor, colours: Tensor, told: Tensor, whitest: Tensor) -> Tensor:
    """(3, K) colour of teeth (3, D, K): brightness of those that tell it, over the shade that drawn teeth have there.

    It goes on beside them. The tint is that of the whitest, as next to the lips teeth are red.
    """
    if not told.any():
        return colours.mean((1, 2))[:, None].expand(-1, len(x))
    count = told.sum(0)
    brightness = (colours.mean(0) * told).sum(0) / count.clamp(min=1) / _smooth(tooth_shade(x), TEETH_WIDE)
    usual = brightness[count > 0].mean()
    line = fill(brightness[None, None], (count > 0).float()[None, None], COLOUR_BLURS)[0, 0]
    colour = colours[:, whitest].mean(1)
    return colour[:, None] / colour.mean().clamp(min=0.02) * line.clamp(MIN_SIDE * usual, MAX_SIDE * usual)


def _whiteness(colours: Tensor, light: Tensor) -> Tensor:
    """(D, K) how bright colours (3, D, K) are for the light (3,) on the skin, less where they are red as lips are."""
    red, green, _ = colours / light.clamp(min=0.02)[:, None, None]
    white = green.square() / red.clamp(min=0.05)
    return F.avg_pool2d(white[None], (3, 5), 1, (1, 2), count_include_pad=False)[0]


def _row(x: Tensor, edge: Tensor, begins: Tensor, usual: Tensor) -> Tensor:
    """(K,) the row of teeth: the usual one, moved and tilted to where columns of them end."""
    if not begins.any():
        return usual
    away = (edge - usual)[begins]
    moved = away.median()
    lean = x[begins]
    tilt = (lean * (away - moved)).sum() / (lean.square().sum() + 1.0)
    return usual + moved + tilt.clamp(-MAX_TILT, MAX_TILT) * x


def _smooth(line: Tensor, width: int) -> Tensor:
    """(K,) mean over columns; the ends are held."""
    padded = F.pad(line[None, None], (width // 2, width // 2), mode="replicate")
    return F.avg_pool1d(padded, width, 1)[0, 0]
