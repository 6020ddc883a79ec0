"""The stages of training, by the name that a config gives."""

from .pretrain_diffae import PretrainDiffAE
from .pretrain_encoder import PretrainEncoder
from .stage import Stage

STAGES: dict[str, type[Stage]] = {stage.name: stage for stage in (PretrainDiffAE, PretrainEncoder)}

__all__ = ["STAGES", "PretrainDiffAE", "PretrainEncoder", "Stage"]
