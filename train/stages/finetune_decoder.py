"""Stage 3 of the paper: UNet and reenactment encoder together; x_T is still found with the UNet from before."""

from __future__ import annotations

from typing import ClassVar

from .reenactment import ReenactmentStage


class FinetuneDecoder(ReenactmentStage):
    """Train the UNet that decodes, jointly with the reenactment encoder."""

    name: ClassVar[str] = "finetune_decoder"
    trains_decoder: ClassVar[bool] = True
