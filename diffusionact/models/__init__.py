"""The networks of both engines: tensors, not faces.

UNet, semantic encoder and reenactment encoder; generator, inversion encoder and directions.
"""

from .directions import Directions
from .inversion_encoder import InversionEncoder
from .reenactment_encoder import ReenactmentEncoder
from .semantic_encoder import SemanticEncoder
from .stylegan2 import StyleGAN2
from .unet import UNet

__all__ = ["Directions", "InversionEncoder", "ReenactmentEncoder", "SemanticEncoder", "StyleGAN2", "UNet"]
