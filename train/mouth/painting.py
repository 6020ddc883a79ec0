"""The model's mouth laid into frames of the warp: inside the lips alone, its noise fixed to the skull."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.face.geometry.alignment import invert_transform
from diffusionact.warping import WarpedFrames, WarpMotion, WarpSource
from diffusionact.warping.sampling import apply, pixel_centres
from diffusionact.warping.topology import LIP_RING

from .crops import CROP_SIZE, IMAGE_SIZE, SIDE_CM, cut, inside_distance, mouth_marks, to_crop
from .network import MouthInput, MouthModel, landmark_map

# The noise of a source covers this many crops, so that lips may move about on it.
NOISE_SIZE = 2 * CROP_SIZE
# Between the lip and the nose, which no expression moves aside: where noise is fixed to.
SKULL_POINT = 2


class MouthPainter:
    """Paints the mouths of one source.

    Args:
        model: trained.
        source: made ready.
        own: (3, S, S) in [-1, 1], the source's own mouth.
        steps: of the sampler.
        seed: of the source's noise.
    """

    def __init__(self, model: MouthModel, source: WarpSource, own: Tensor, steps: int = 1, seed: int = 0):
        self._model, self._source, self._own, self._steps = model, source, own, steps
        generator = torch.Generator().manual_seed(seed)
        self._noise = torch.randn(3, NOISE_SIZE, NOISE_SIZE, generator=generator).to(own)

    @torch.no_grad()
    def given(self, drawn: WarpedFrames, motion: WarpMotion) -> tuple[MouthInput, Tensor, Tensor]:
        """What the model is given of N frames of `IMAGE_SIZE`, (N, 2, 3) to their crops, and their noise."""
        parts, matrices, noise = [], [], []
        for index in range(len(motion)):
            placement, head = motion.placement.row(index), self._source.shape + motion.change[index]
            marks = mouth_marks(placement, head)
            matrix = to_crop(placement, marks)
            marks = apply(matrix, marks)
            sure = cut(drawn.confidence[index], matrix).clamp(0, 1)
            warped = cut(drawn.images[index], matrix).clamp(-1, 1)
            layers = (warped, self._own, sure, inside_distance(marks)[None], landmark_map(marks))
            parts.append(MouthInput(*(layer[None] for layer in layers)))
            matrices.append(matrix)
            noise.append(self._noise_at(head))
        return MouthInput.joined(parts), torch.stack(matrices), torch.stack(noise)

    @torch.no_grad()
    def paint(self, drawn: WarpedFrames, motion: WarpMotion, code: Tensor | None = None) -> Tensor:
        """Frames (N, 3, S, S) in [-1, 1] with the model's mouths; `code` (1, C) takes the place of the source's."""
        given, matrices, noise = self.given(drawn, motion)
        code = None if code is None else code.expand(len(noise), -1)
        added = self._model.sample(given, noise, self._steps, code)
        positions = pixel_centres(IMAGE_SIZE, IMAGE_SIZE, noise.device)
        images = drawn.images.clone()
        for index, matrix in enumerate(matrices):
            grid = (apply(matrix, positions) + 0.5) * (2 / CROP_SIZE) - 1
            images[index] += F.grid_sample(added[index : index + 1], grid[None], mode="bicubic", align_corners=False)[0]
        return images.clamp_(-1, 1)

    def _noise_at(self, head: Tensor) -> Tensor:
        """(3, S, S) the source's noise as a mesh (478, 3) cm moves it: with the skull, not with the lips."""
        ring = head[list(LIP_RING), :2]
        away = ((ring.amin(0) + ring.amax(0)) / 2 - self._source.shape[SKULL_POINT, :2]) * (CROP_SIZE / SIDE_CM)
        start = (NOISE_SIZE - CROP_SIZE) / 2 + away * away.new_tensor([1.0, -1.0])
        start = start.clamp(0, NOISE_SIZE - CROP_SIZE - 1)
        whole = start.floor()
        x, y = (start - whole).tolist()
        left, top = whole.long().tolist()
        part = self._noise[:, top : top + CROP_SIZE + 1, left : left + CROP_SIZE + 1]
        rows = (1 - y) * part[:, :-1] + y * part[:, 1:]
        mixed = (1 - x) * rows[..., :-1] + x * rows[..., 1:]
        # A mean of four is calmer than each of them.
        return mixed / (((1 - x) ** 2 + x**2) * ((1 - y) ** 2 + y**2)) ** 0.5


def own_mouth(source: WarpSource) -> Tensor:
    """(3, S, S) in [-1, 1], a source's own mouth as its canvas shows it."""
    side = source.texture.shape[-1]
    to_image = to_crop(source.placement, mouth_marks(source.placement, source.shape))
    # Crop px -> aligned px, which are those of the image, -> grid -> px of the canvas.
    linear = source.to_grid[:, :2] @ invert_transform(to_image[None])[0, :, :2]
    shift = apply(source.to_grid, invert_transform(to_image[None])[0, :, 2])
    to_canvas = torch.cat([linear * (side / 2), ((shift + 1) * (side / 2) - 0.5)[:, None]], dim=1)
    return cut(source.texture * 2 - 1, invert_transform(to_canvas[None])[0]).clamp(-1, 1)
