"""The diffusion model of the unseen surface: what a warped head lacks, from noise, the warp as a guide and a code.

Both networks are those of the bundled diffusion model, which knows rendered heads; the UNet goes on learning.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from diffusionact.face.pose.landmark_map import landmark_map_at
from diffusionact.models import ReenactmentEncoder, UNet
from diffusionact.weights.model_folder import DEMO_FOLDER

from ..experiments.guided_model import GuidedInput, GuidedModel
from .pairs import SIZE

GUIDE_CHANNELS = 6


@dataclass(frozen=True)
class SurfaceInput(GuidedInput):
    """What the model is given of B frames.

    Attributes:
        warped: (B, 3, S, S) in [-1, 1], drawn by the warp.
        confidence: (B, 1, S, S) in [0, 1], of the warp.
        told: (B, 1, S, S) in [0, 1], 0 where the warp shows what lay beyond the photo, and in eyes and mouth.
        gate: (B, 1, S, S) in [0, 1], where the model may paint.
        code: (B, 512), see `SurfaceModel.look`.
    """

    warped: Tensor
    confidence: Tensor
    told: Tensor
    gate: Tensor
    code: Tensor


class SurfaceModel(GuidedModel):
    """The bundled model's ReenactmentEncoder as it is, and its UNet with a guide.

    The guide's part for the warp begins as the UNet's own for x_t, whose own begins at zero, so that it sees a head
    from the start, and no noise over it; the last layer begins at zero, so that the first frames are those of the warp.

    Args:
        widths: channels of the levels of small networks that know nothing; None takes the bundled ones.
    """

    def __init__(self, widths: tuple[int, ...] | None = None):
        if widths is not None:
            shared = {"sample_size": SIZE, "patch_size": 4, "layers_per_block": 1, "block_out_channels": widths}
            shared |= {"norm_groups": 8, "semantic_dim": 512}
            super().__init__(
                ReenactmentEncoder(**shared, attention_resolutions=(), pool_size=4),
                UNet(**shared, attention_resolutions=(), dropout=0.0, guide_channels=GUIDE_CHANNELS),
            )
            self.encoder.requires_grad_(False)
            return
        known = UNet.from_pretrained(DEMO_FOLDER / "unet")
        arguments = {name: value for name, value in known.config.items() if not name.startswith("_")}
        unet = UNet(**{**arguments, "guide_channels": GUIDE_CHANNELS})
        guide = {name: value for name, value in unet.state_dict().items() if name.startswith("guide_in.")}
        unet.load_state_dict(known.state_dict() | guide)
        with torch.no_grad():
            unet.guide_in.weight[:, : known.conv_in.in_channels] = known.conv_in.weight
            for parameter in (unet.conv_in.weight, *unet.conv_out.parameters()):
                parameter.zero_()
        super().__init__(ReenactmentEncoder.from_pretrained(DEMO_FOLDER / "reenactment_encoder"), unet)
        self.encoder.requires_grad_(False)

    @torch.no_grad()
    def look(self, own: Tensor, landmarks: Tensor, pupils: Tensor) -> Tensor:
        """(B, 512) codes of sources (B, 3, S, S) in [-1, 1] with landmarks (B, 68, 2) and pupils (B, 2, 2) px."""
        return self.encoder(own, landmark_map_at(landmarks, pupils, SIZE).to(own))

    def code(self, given: SurfaceInput) -> Tensor:
        """(B, 512) those that were given."""
        return given.code

    def guide(self, given: SurfaceInput) -> Tensor:
        """(B, 6, S, S) the warp, its confidence, what the photo told, and the gate."""
        return torch.cat([given.warped, given.confidence, given.told, given.gate], dim=1)
