"""The networks: UNet, semantic encoder, reenactment encoder. They know tensors, not faces."""

from .reenactment_encoder import ReenactmentEncoder
from .semantic_encoder import SemanticEncoder
from .unet import UNet

__all__ = ["ReenactmentEncoder", "SemanticEncoder", "UNet"]
