"""Where is the person? MediaPipe's selfie segmenter, bundled, run on several cuts of a photo and averaged.

One cut misleads: the net sees 256 x 256 pixels, so a whole photo is too coarse at the hair, and a close cut has lost
the shoulders. Images here are (B, 3, H, W) float RGB in [0, 1]; the integer coordinate is the centre of a pixel.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..face.readers.open.landmarker.graph import load_bundled_network
from .regions import resize

DATA_FOLDER = Path(__file__).parent / "data" / "person_segmenter"
INPUT_SIZE = 256
MAX_SIDE = 320  # px of the answer
# Beyond these the net's certainty says nothing; a mean of logits must not be ruled by one cut.
MIN_PROBABILITY, MAX_PROBABILITY = 0.01, 0.99
FACE_CUTS = (2.0, 3.2, 4.2)  # sides of the square cuts, in lengths of the face
MIN_TRUST = 0.01
FADE = 0.12  # a square cut fades out towards its border over this share of its side, where the photo goes on


class PersonSegmenter(nn.Module):
    """Probability that a pixel shows a person; the weights are fixed, the batch is free, any device."""

    def __init__(self):
        super().__init__()
        self.net = load_bundled_network("person_segmenter", DATA_FOLDER)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 256, 256) in [0, 1] -> probability (B, 1, 256, 256)."""
        return self.net(images.contiguous(memory_format=torch.channels_last))[0]

    @torch.no_grad()
    def look(self, image: Tensor, face: Tensor | None = None) -> Tensor:
        """Person probability of a photo of any size: mean logit over cuts and their mirror images.

        Args:
            image: (1, 3, H, W) in [0, 1].
            face: (N, 2 or more) pixels of the face's points, to look closer there; None looks at the whole photo only.

        Returns:
            (1, 1, h, w) probability in [0.01, 0.99], in the photo's proportions, the longest side at most 320 px: the
            net sees no finer.

        Raises:
            ValueError: if the image is not one RGB image.
        """
        if image.ndim != 4 or image.shape[:2] != (1, 3):
            raise ValueError(
                f"Expected an image (1, 3, H, W) in [0, 1], received {tuple(image.shape)}; pass one photo."
            )
        height, width = image.shape[2:]
        boxes = [(0, 0, height, width)] + ([] if face is None else face_boxes(face, height, width))
        cuts = torch.cat([cut_out(image, box) for box in boxes])
        seen = self(torch.cat([cuts, cuts.flip(-1)]))
        seen = seen.clamp(MIN_PROBABILITY, MAX_PROBABILITY).logit()
        seen = (seen[: len(cuts)] + seen[len(cuts) :].flip(-1)) / 2
        trust = None if face is None else face_found(seen, boxes, face)
        scale = min(1.0, MAX_SIDE / max(height, width))
        size = (math.ceil(height * scale), math.ceil(width * scale))
        return combine(seen, boxes, (height, width), size, trust).sigmoid()


def face_boxes(face: Tensor, height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Square cuts (top, left, height, width) round the face, moved into the photo as far as they fit.

    A cut larger than the photo is centred on it; where the photo ends, its border is drawn out. On close portraits only
    these see a person of the size that the net knows, and only they keep hair that falls below the chin.
    """
    low, high = face[:, :2].amin(0), face[:, :2].amax(0)
    (x, y), length = ((low + high) / 2).tolist(), float((high - low).max())

    def start(centre: float, side: int, size: int) -> int:
        return (size - side) // 2 if side >= size else min(max(round(centre - side / 2), 0), size - side)

    boxes = []
    for factor in FACE_CUTS:
        side = max(round(factor * length), 8)
        boxes.append((start(y + 0.1 * length, side, height), start(x, side, width), side, side))
    return boxes


def cut_out(image: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """The part of a photo in a box, stretched to (1, 3, 256, 256); beyond the photo its border is drawn out."""
    top, left, height, width = box
    rows, columns = image.shape[2:]
    # The whole photo shrinks first, without aliasing; what a bilinear sample then adds is no more than a shift.
    scale_y, scale_x = min(1.0, INPUT_SIZE / height), min(1.0, INPUT_SIZE / width)
    shrunk = resize(image, (math.ceil(rows * scale_y), math.ceil(columns * scale_x)))
    steps = (torch.arange(INPUT_SIZE, device=image.device) + 0.5) / INPUT_SIZE
    y, x = (top + steps * height) / rows, (left + steps * width) / columns
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None] * 2 - 1
    return F.grid_sample(shrunk, grid, mode="bilinear", padding_mode="border", align_corners=False).clamp(0, 1)


def face_found(logits: Tensor, boxes: list[tuple[int, int, int, int]], face: Tensor) -> Tensor:
    """Trust (K,) in each cut, from its logits (K, 1, 256, 256): a cut that takes the face for background is wrong."""
    trust = []
    for logit, (top, left, height, width) in zip(logits, boxes, strict=True):
        at = (face[:, :2] + 0.5 - face.new_tensor([left, top])) / face.new_tensor([width, height])
        seen = F.grid_sample(logit[None], (at * 2 - 1)[None, None], padding_mode="border", align_corners=False)
        trust.append((2 * seen.sigmoid().mean() - 1).clamp(min=MIN_TRUST))
    return torch.stack(trust)


def combine(
    logits: Tensor,
    boxes: list[tuple[int, int, int, int]],
    photo: tuple[int, int],
    size: tuple[int, int],
    trust: Tensor | None = None,
) -> Tensor:
    """Mean (1, 1, *size) of the cuts' logits (K, 1, 256, 256), weighted by trust (K,); cuts fade out at borders."""
    trust = logits.new_ones(len(boxes)) if trust is None else trust
    # 1. Where the pixels of the answer lie in the photo, as shares of its height and width.
    rows = (torch.arange(size[0], device=logits.device) + 0.5) / size[0] * photo[0]
    columns = (torch.arange(size[1], device=logits.device) + 0.5) / size[1] * photo[1]
    total = logits.new_zeros(1, 1, *size)
    weight = logits.new_zeros(1, 1, *size)
    for logit, sure, (top, left, height, width) in zip(logits, trust, boxes, strict=True):
        # 2. The same in the cut, 0 to 1, and the cut's weight there.
        y, x = (rows - top) / height, (columns - left) / width
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None] * 2 - 1
        sample = F.grid_sample(logit[None], grid, mode="bilinear", padding_mode="border", align_corners=False)
        share = _fade(y, top > 0, top + height < photo[0])[:, None] * _fade(x, left > 0, left + width < photo[1])
        total, weight = total + share * sure * sample, weight + share * sure
    return total / weight


def _fade(at: Tensor, first: bool, last: bool) -> Tensor:
    """1 inside a cut, 0 outside, with a ramp at those of its two borders where the photo goes on."""
    inside = ((at >= 0) & (at <= 1)).float()
    from_first = (at / FADE).clamp(0, 1) if first else inside
    from_last = ((1 - at) / FADE).clamp(0, 1) if last else inside
    return inside * from_first * from_last
