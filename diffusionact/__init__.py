"""DiffusionAct: one-shot face reenactment with a diffusion autoencoder."""

from .face.pose.options import PoseOptions
from .face.readers.open.tracking import OpenFaceTracker
from .late_imports import late_imports
from .pipelines import DiffusionActPipeline, ReenactedFrame
from .types import FacePose, SourceCodes

__getattr__ = late_imports(
    __name__, {".models": ("ReenactmentEncoder", "SemanticEncoder", "UNet"), ".schedulers": ("DDIMScheduler",)}
)

__all__ = [
    "DDIMScheduler",
    "DiffusionActPipeline",
    "FacePose",
    "OpenFaceTracker",
    "PoseOptions",
    "ReenactedFrame",
    "ReenactmentEncoder",
    "SemanticEncoder",
    "SourceCodes",
    "UNet",
]
