"""The diffusion model of the mouth's inside: what a warped mouth lacks, from noise, the warp as a guide and a code.

x_0 is truth less warp, both in [-1, 1], inside the lips where the photo did not show it; there alone is noise. The code
is the paper's: of the source's own mouth and a map of the target's landmarks, which reaches the UNet no other way.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from diffusionact.models import ReenactmentEncoder, UNet
from diffusionact.warping.sampling import smoothstep
from diffusionact.warping.topology import LIP_OUTLINE, LIP_RING

from ..experiments.guided_model import GuidedInput, GuidedModel
from .crops import CROP_SIZE, inside_distance

CODE = 64
GUIDE_CHANNELS = 6
# The gate opens over these distances inside the lips, px of the crop.
GATE_PX = (-0.5, 1.0)
# Width of the lines of the map, px.
LINE_PX = 1.0


@dataclass(frozen=True)
class MouthInput(GuidedInput):
    """What the model is given of B mouths.

    Attributes:
        warped: (B, 3, S, S) in [-1, 1], drawn by the warp.
        own: (B, 3, S, S) in [-1, 1], the source's own.
        confidence: (B, 1, S, S) in [0, 1], of the warp.
        distance: (B, 1, S, S) px inside the inner lips.
        marks: (B, 3, S, S) in [-1, 1], the map of the target's landmarks.
    """

    warped: Tensor
    own: Tensor
    confidence: Tensor
    distance: Tensor
    marks: Tensor

    @property
    def gate(self) -> Tensor:  # type: ignore[override]
        """(B, 1, S, S) in [0, 1], where the mouth may be another than the warp's."""
        return smoothstep(*GATE_PX, self.distance) * (1 - self.confidence)


def landmark_map(marks: Tensor) -> Tensor:
    """(3, S, S) in [-1, 1] of marks (M, 2) px of the crop: inner lips, outer lips, line of the jaw; soft lines."""
    axis = torch.arange(CROP_SIZE, device=marks.device, dtype=torch.float32)
    ring, outline, jaw = marks.float().split([len(LIP_RING), len(LIP_OUTLINE), len(marks) - 40])
    layers = []
    for points, closed in ((ring, True), (outline, True), (jaw, False)):
        ends = points.roll(-1, 0) if closed else torch.cat([points[1:], points[-1:]])
        line = torch.cat([points + share * (ends - points) for share in (0, 0.25, 0.5, 0.75)])
        across, down = axis - line[:, :1], axis - line[:, 1:]
        square = across[:, None, :].square() + down[:, :, None].square()
        layers.append((-square.amin(0) / (2 * LINE_PX**2)).exp())
    return 2 * torch.stack(layers) - 1


def distances(marks: Tensor) -> Tensor:
    """(B, 1, S, S) px inside the inner lips, of marks (B, M, 2) px of the crop."""
    return torch.stack([inside_distance(points) for points in marks])[:, None]


class MouthModel(GuidedModel):
    """The paper's encoder and UNet, small ones.

    Args:
        widths: channels of the UNet's levels; those of the encoder are half of them.
    """

    def __init__(self, widths: tuple[int, ...] = (64, 96, 96)):
        shared = {"sample_size": CROP_SIZE, "patch_size": 4, "layers_per_block": 1, "semantic_dim": CODE}
        encoder = ReenactmentEncoder(
            **shared,
            block_out_channels=tuple(width // 2 for width in widths),
            attention_resolutions=(),
            pool_size=4,
            norm_groups=8,
        )
        unet = UNet(
            **shared,
            norm_groups=8,
            block_out_channels=widths,
            attention_resolutions=(8,),
            time_dim=64,
            dropout=0.0,
            guide_channels=GUIDE_CHANNELS,
        )
        super().__init__(encoder, unet)

    def code(self, given: MouthInput) -> Tensor:
        """(B, CODE) of the sources' own mouths and the targets' landmarks."""
        return self.encoder(given.own, given.marks)

    def guide(self, given: MouthInput) -> Tensor:
        """(B, 6, S, S) the warp, its confidence, the inside of the lips, and the gate."""
        inside = (given.distance / 8).clamp(-1, 1)
        return torch.cat([given.warped, given.confidence, inside, given.gate], dim=1)
