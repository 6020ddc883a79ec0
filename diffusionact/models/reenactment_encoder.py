"""The reenactment encoder: source image and landmark map of the driver -> semantic code of the reenacted image."""

from __future__ import annotations

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from .blocks import zero_initialised
from .semantic_encoder import SemanticEncoder


class ReenactmentEncoder(ModelMixin, ConfigMixin):
    """z_r = E(image + conv(landmark_map)), with E a copy of the semantic encoder.

    The 1x1 convolution starts at zero, so that a fresh reenactment encoder is the semantic encoder. The default
    arguments are the official network (30,150,412 parameters). Source: DiffusionAct, section 3.2.

    The arguments are those of `SemanticEncoder`.
    """

    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(
        self,
        sample_size: int = 256,
        in_channels: int = 3,
        patch_size: int = 1,
        block_out_channels: tuple[int, ...] = (128, 128, 256, 256, 512, 512, 512),
        layers_per_block: int = 2,
        attention_resolutions: tuple[int, ...] = (16,),
        semantic_dim: int = 512,
        pool_size: int = 1,
        norm_groups: int = 32,
    ):
        super().__init__()
        self.encoder = SemanticEncoder(
            sample_size=sample_size,
            in_channels=in_channels,
            patch_size=patch_size,
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            attention_resolutions=attention_resolutions,
            semantic_dim=semantic_dim,
            pool_size=pool_size,
            norm_groups=norm_groups,
        )
        self.map_projection = zero_initialised(nn.Conv2d(in_channels, in_channels, 1))

    @classmethod
    def from_semantic_encoder(cls, semantic_encoder: SemanticEncoder) -> ReenactmentEncoder:
        """Start from a trained semantic encoder: its weights, and a convolution at zero for the landmark map."""
        model = cls.from_config(semantic_encoder.config)
        model.encoder.load_state_dict(semantic_encoder.state_dict())
        return model

    def forward(self, image: Tensor, landmark_map: Tensor) -> Tensor:
        """Predict the semantic code of the source in the driver's pose.

        Args:
            image: (B, 3, H, W) in [-1, 1], the aligned source.
            landmark_map: (B, 3, H, W) in [-1, 1], see `face/pose/landmark_map.py`.

        Returns:
            (B, semantic_dim).
        """
        return self.encoder(image + self.map_projection(landmark_map))
