"""The one training loop. It knows modules, losses and files; faces and diffusion are the stages' business."""

from .nan_guard import NonFiniteLossError
from .schedules import SCHEDULES, learning_rate_factor
from .training_loop import TrainingLoop

__all__ = ["SCHEDULES", "NonFiniteLossError", "TrainingLoop", "learning_rate_factor"]
