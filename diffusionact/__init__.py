"""DiffusionAct: one-shot face reenactment with a diffusion autoencoder."""

from .face.pose.options import PoseOptions
from .face.readers.open.tracking import OpenFaceTracker
from .models import ReenactmentEncoder, SemanticEncoder, UNet
from .pipelines import DiffusionActPipeline, ReenactedFrame
from .schedulers import DDIMScheduler
from .types import FacePose, SourceCodes

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
