"""Stage `train_portrait_net`: the network behind the open losses and metrics learns from synthetic portraits."""

from .stage import TrainPortraitNet

__all__ = ["TrainPortraitNet"]
