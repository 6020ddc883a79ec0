"""Engines: what makes frames. Others pass their codes and conditioning on without looking in."""

from ..late_imports import late_imports
from .conditioning import Conditioning
from .engine import AlignedSource, Engine, preferred_dtype
from .registry import ENGINES, EngineEntry, find_engine, load_engine, register_engine
from .sampling import DEFAULT_PRESETS, Sampling

__getattr__ = late_imports(
    __name__,
    {
        ".components": (
            "COMPONENTS",
            "ModelComponents",
            "PipelineConfig",
            "load_components",
            "on_meta",
            "save_components",
            "write_index",
            "write_network",
        ),
        ".diffusion": ("DiffusionEngine",),
    },
)

__all__ = [
    "COMPONENTS",
    "DEFAULT_PRESETS",
    "ENGINES",
    "AlignedSource",
    "Conditioning",
    "DiffusionEngine",
    "Engine",
    "EngineEntry",
    "ModelComponents",
    "PipelineConfig",
    "Sampling",
    "find_engine",
    "load_components",
    "load_engine",
    "on_meta",
    "preferred_dtype",
    "register_engine",
    "save_components",
    "write_index",
    "write_network",
]
