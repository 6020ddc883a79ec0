"""The YAML files of training, what they may say (`schema.py`), and how they are read (`reading.py`)."""

from .reading import dump_config, load_config
from .schema import LOGGERS, DataConfig, HubConfig, LoopConfig, OptimiserConfig, TrainingConfig

__all__ = [
    "LOGGERS",
    "DataConfig",
    "HubConfig",
    "LoopConfig",
    "OptimiserConfig",
    "TrainingConfig",
    "dump_config",
    "load_config",
]
