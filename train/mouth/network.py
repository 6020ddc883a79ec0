"""The diffusion model of the mouth's inside: what a warped mouth lacks, from noise, the warp as a guide and a code.

x_0 is truth less warp, both in [-1, 1], inside the lips where the photo did not show it; there alone is noise. The code
is the paper's: of the source's own mouth and a map of the target's landmarks, which reaches the UNet no other way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from diffusionact.models import ReenactmentEncoder, UNet
from diffusionact.warping.sampling import smoothstep
from diffusionact.warping.topology import LIP_OUTLINE, LIP_RING

from .crops import CROP_SIZE, inside_distance

CODE = 64
GUIDE_CHANNELS = 6
# The gate opens over these distances inside the lips, px of the crop.
GATE_PX = (-0.5, 1.0)
# Width of the lines of the map, px.
LINE_PX = 1.0


@dataclass(frozen=True)
class MouthInput:
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

    @classmethod
    def joined(cls, parts: list[MouthInput]) -> MouthInput:
        """All of them in one batch."""
        return cls(*(torch.cat(layers) for layers in zip(*(vars(part).values() for part in parts), strict=True)))

    @property
    def gate(self) -> Tensor:
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


class MouthModel(nn.Module):
    """A ReenactmentEncoder and a guided UNet that predicts v; sampled by DDIM in one to four steps.

    Args:
        widths: channels of the UNet's levels; those of the encoder are half of them.
    """

    def __init__(self, widths: tuple[int, ...] = (64, 96, 96)):
        super().__init__()
        shared = {"sample_size": CROP_SIZE, "patch_size": 4, "layers_per_block": 1, "semantic_dim": CODE}
        self.encoder = ReenactmentEncoder(
            **shared,
            block_out_channels=tuple(width // 2 for width in widths),
            attention_resolutions=(),
            pool_size=4,
            norm_groups=8,
        )
        self.unet = UNet(
            **shared,
            norm_groups=8,
            block_out_channels=widths,
            attention_resolutions=(8,),
            time_dim=64,
            dropout=0.0,
            guide_channels=GUIDE_CHANNELS,
        )

    def code(self, given: MouthInput) -> Tensor:
        """(B, CODE) the semantic codes."""
        return self.encoder(given.own, given.marks)

    def forward(self, x_t: Tensor, timestep: Tensor | int, code: Tensor, given: MouthInput) -> Tensor:
        """(B, 3, S, S) v inside the gate, 0 outside, for x_t (B, 3, S, S) that is 0 outside."""
        gate = given.gate
        inside = (given.distance / 8).clamp(-1, 1)
        guide = torch.cat([given.warped, given.confidence, inside, gate], dim=1)
        return gate * self.unet(x_t, timestep, code, guide=guide).sample

    def sample(self, given: MouthInput, noise: Tensor, steps: int, code: Tensor | None = None) -> Tensor:
        """(B, 3, S, S) what to add to the warp; `noise` (B, 3, S, S) is x_T before the gate.

        `code` (B, CODE) takes the place of the mouths' own.
        """
        scheduler = mouth_scheduler()
        scheduler.set_timesteps(steps, device=noise.device)
        code, gate = self.code(given) if code is None else code, given.gate
        x_t = gate * noise
        for timestep in scheduler.timesteps:
            prediction = self(x_t, timestep, code, given)
            x_t = scheduler.step(prediction, timestep, x_t).prev_sample
        return x_t

    def save(self, folder: Path) -> None:
        """Write both networks, as safetensors."""
        self.encoder.save_pretrained(folder / "encoder")
        self.unet.save_pretrained(folder / "unet")

    @classmethod
    def load(cls, folder: Path) -> MouthModel:
        """The model that `save` wrote."""
        model = cls.__new__(cls)
        nn.Module.__init__(model)
        model.encoder = ReenactmentEncoder.from_pretrained(folder / "encoder")
        model.unet = UNet.from_pretrained(folder / "unet")
        return model.eval()


def mouth_scheduler() -> DDIMScheduler:
    """DDIM of diffusers: the last step is pure noise, and few steps begin there, which ours does not offer."""
    return DDIMScheduler(
        beta_start=1e-4,
        beta_end=0.02,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        clip_sample=True,
    )
