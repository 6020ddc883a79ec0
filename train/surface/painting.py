"""The model's surface laid into frames of the warp: where it is unsure, its noise on the source's canvas."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.warping import WarpedFrames, WarpMotion, WarpSource
from diffusionact.warping.canvas import MARGIN
from diffusionact.warping.sampling import sample

from .network import SurfaceInput, SurfaceModel
from .pairs import SIZE, degrees_apart, gates, shown_positions, target_points, told_by_photo

IMAGE_SIZE = 2 * SIZE
# Noise for the whole canvas, one value for a pixel of the crop.
NOISE_SIZE = round((1 + 2 * MARGIN) * SIZE)


class SurfacePainter:
    """Paints what the photo of one source did not show.

    Args:
        model: trained.
        source: made ready.
        steps: of the sampler.
        seed: of the source's noise.
    """

    def __init__(self, model: SurfaceModel, source: WarpSource, steps: int = 1, seed: int = 0):
        self._model, self._source, self._steps = model, source, steps
        self._own = own_crop(source)
        generator = torch.Generator().manual_seed(seed)
        self._noise = torch.randn(3, NOISE_SIZE, NOISE_SIZE, generator=generator).to(source.device)

    @torch.no_grad()
    def given(self, drawn: WarpedFrames, motion: WarpMotion) -> SurfaceInput:
        """What the model is given of N frames of `IMAGE_SIZE`."""
        told = told_by_photo(self._source, motion, drawn)
        gate = gates(drawn, told, degrees_apart(self._source, motion))
        code = self._model.look(self._own.expand(len(motion), -1, -1, -1), *target_points(self._source, motion))
        warped, confidence = (F.avg_pool2d(layer, IMAGE_SIZE // SIZE) for layer in (drawn.images, drawn.confidence))
        return SurfaceInput(warped, confidence, told, gate, code)

    @torch.no_grad()
    def paint(self, drawn: WarpedFrames, motion: WarpMotion, given: SurfaceInput, code: Tensor | None = None) -> Tensor:
        """Frames (N, 3, S, S) in [-1, 1] with the model's surface.

        Args:
            drawn: frames of `IMAGE_SIZE`.
            motion: theirs.
            given: what `given` makes of both.
            code: (1, C) takes the place of the source's.
        """
        noise = torch.stack([self.noise_at(motion, index) for index in range(len(motion))])
        code = None if code is None else code.expand(len(noise), -1)
        added = self._model.sample(given, noise, self._steps, code)
        added = F.interpolate(added, size=IMAGE_SIZE, mode="bicubic", align_corners=False)
        return (drawn.images + added).clamp(-1, 1)

    def noise_at(self, motion: WarpMotion, index: int) -> Tensor:
        """(3, SIZE, SIZE) the source's noise as the mesh moves it, of deviation 1."""
        moved, _ = shown_positions(self._source, motion, index)
        mixed = sample(self._noise, moved)
        # A mean of four is calmer than each of them.
        x, y = (((moved + 1) * (NOISE_SIZE / 2) - 0.5) % 1).unbind(-1)
        return mixed / (((1 - x) ** 2 + x**2) * ((1 - y) ** 2 + y**2)).sqrt()


def own_crop(source: WarpSource) -> Tensor:
    """(1, 3, SIZE, SIZE) in [-1, 1], the photo in its own aligned crop."""
    side = int(source.crop_side)
    margin = (source.texture.shape[-1] - side) // 2
    crop = source.texture[None, :, margin : margin + side, margin : margin + side]
    return F.interpolate(crop, size=(SIZE, SIZE), mode="bilinear", antialias=True) * 2 - 1
