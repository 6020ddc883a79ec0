"""The figures that frames of photos have beside those of `figures.py`: by region, by sharpness, by features.

Regions are bool (F, 1, H, H). What no camera saw is nowhere in them: padding, and the rim of the photo that is blurred
into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..data.shards import hull_labels
from ..metrics import feature_distance, flicker, psnr, sharpness, soften
from ..perception.photo_identity import PhotoIdentity, load_photo_identity
from ..warping.segmenter import PersonSegmenter
from .frame_set import FrameSet
from .protocols import Pair
from .targets import Target

# All methods are blurred to this share of the truth's sharpness before they are compared by "PSNR equal": about that of
# an image that was resampled twice.
EQUAL_SHARPNESS = 0.6
# A pixel is background where the segmenter thinks so with this certainty.
MAX_PERSON = 0.3
# Less background than this share of the image is gaps between strands of hair, of which nothing can be said.
MIN_BACKGROUND = 0.02
EQUAL_DB = 100.0


@dataclass(frozen=True)
class Regions:
    """Which pixels of F images count.

    Attributes:
        real: not padding, and not blurred into it.
        face: inside the outline of jaw and brows.
        background: the segmenter sees no person in the true frame; none if that is hardly anything of it.
    """

    real: Tensor
    face: Tensor
    background: Tensor


class PhotoMeasure:
    """Measures results beside true frames of photos.

    Args:
        frames: the true frames.
        device: where the networks run.
    """

    def __init__(self, frames: FrameSet, device: torch.device):
        self.frames = frames
        self.device = device
        self.features: PhotoIdentity = load_photo_identity().to(device)
        self.segmenter: nn.Module = PersonSegmenter().eval().to(device)
        self._backgrounds: dict[int, Tensor] = {}

    def __call__(
        self, images: Tensor, pair: Pair, target: Target, is_source: bool
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Figures of a pair's results.

        Args:
            images: (F, 3, H, H) in [-1, 1].
            pair, target: what was asked for.
            is_source: the results show the source as it is.

        Returns:
            A value per frame (F,) for each column, and those of the whole clip.
        """
        if not pair.is_same_person:
            shown = target.own.landmarks.expand(len(images), -1, -1) if is_source else target.wanted.landmarks
            return self._against_source(images, pair.source, shown), {}
        truth = self.frames.images(target.driving)
        regions = self._regions(target.driving, target.wanted.landmarks)
        steadiness = {"flicker": float(flicker(images, truth, regions.real))} if len(images) > 2 else {}
        return self._against_truth(images, truth, regions), steadiness

    @torch.no_grad()
    def _against_truth(self, images: Tensor, truth: Tensor, regions: Regions) -> dict[str, Tensor]:
        softened = soften(images, truth, EQUAL_SHARPNESS, regions.face)
        real = regions.real.to(self.device)
        maps = [self.features.features(batch.to(self.device) * real) for batch in (images, truth)]
        return {
            "PSNR equal": _psnr(softened, truth, regions.real),
            "PSNR face": _psnr(images, truth, regions.face),
            "PSNR background": _psnr(images, truth, regions.background),
            "features": feature_distance(*maps, real).cpu(),
            "sharpness": sharpness(images, truth, regions.face),
        }

    def _against_source(self, images: Tensor, source: int, landmarks: Tensor) -> dict[str, Tensor]:
        """Sharpness beside the source's, where there is no truth."""
        rows = [source] * len(images)
        real = self.frames.scored(rows)
        faces = [real & _faces(points, self.frames.size) for points in (landmarks, self.frames.landmarks[rows])]
        return {"sharpness": sharpness(images, self.frames.images(rows), *faces)}

    def _regions(self, rows: Sequence[int], landmarks: Tensor) -> Regions:
        real = self.frames.scored(rows)
        background = torch.stack([self._background(row) for row in rows])
        return Regions(real, real & _faces(landmarks, self.frames.size), real & background)

    @torch.no_grad()
    def _background(self, row: int) -> Tensor:
        """(1, H, H) bool of a true frame."""
        if row not in self._backgrounds:
            image = (self.frames.images([row]).to(self.device) + 1) / 2
            person = self.segmenter.look(image, self.frames.landmarks[row].to(self.device))
            person = nn.functional.interpolate(person, size=image.shape[-2:], mode="bilinear", align_corners=False)
            background = (person[0] < MAX_PERSON).cpu()
            self._backgrounds[row] = background & (background.float().mean() >= MIN_BACKGROUND)
        return self._backgrounds[row]


def _faces(landmarks: Tensor, size: int) -> Tensor:
    """(F, 1, size, size) bool: inside the outline of landmarks (F, 68, 2) px."""
    return torch.from_numpy(np.stack([hull_labels(points, size) > 0 for points in landmarks.numpy()]))[:, None]


def _psnr(images: Tensor, truth: Tensor, region: Tensor) -> Tensor:
    return psnr(images.clamp(-1, 1), truth, region).clamp(max=EQUAL_DB)
