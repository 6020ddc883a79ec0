"""The stages of training, by the name that a config gives."""

from .directions import TrainDirections
from .distil_decoder import DistilDecoder
from .finetune_decoder import FinetuneDecoder
from .generator import TrainGenerator
from .portrait_net import TrainPortraitNet
from .pretrain_diffae import PretrainDiffAE
from .pretrain_encoder import PretrainEncoder
from .stage import Stage
from .train_encoder import TrainEncoder
from .train_inversion_encoder import TrainInversionEncoder

STAGES: dict[str, type[Stage]] = {
    stage.name: stage
    for stage in (
        PretrainDiffAE,
        PretrainEncoder,
        TrainEncoder,
        FinetuneDecoder,
        DistilDecoder,
        TrainPortraitNet,
        TrainGenerator,
        TrainInversionEncoder,
        TrainDirections,
    )
}

__all__ = [
    "STAGES",
    "DistilDecoder",
    "FinetuneDecoder",
    "PretrainDiffAE",
    "PretrainEncoder",
    "Stage",
    "TrainDirections",
    "TrainEncoder",
    "TrainGenerator",
    "TrainInversionEncoder",
    "TrainPortraitNet",
]
