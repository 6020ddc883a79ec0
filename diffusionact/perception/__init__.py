"""The networks behind the losses and metrics, their loading, and what makes a `FacePerception` of `losses` of them.

Two backends: `load_open_perception` brings the bundled networks; `load_paper_perception` joins the paper's, from files
of the weights folder. `load_identity_network`, `load_lpips` and `load_fan_landmarks` load what metrics need.
"""

from .combined import CombinedPerception
from .face_reader_networks import load_fan_landmarks
from .identity_networks import load_identity_network
from .landmarker_face import LandmarkerFace
from .lpips_files import load_lpips
from .open_perception import OpenPerception, load_open_perception, load_portrait_net
from .paper_perception import load_paper_perception
from .portrait_net import PortraitNet, PortraitReading

__all__ = [
    "CombinedPerception",
    "LandmarkerFace",
    "OpenPerception",
    "PortraitNet",
    "PortraitReading",
    "load_fan_landmarks",
    "load_identity_network",
    "load_lpips",
    "load_open_perception",
    "load_paper_perception",
    "load_portrait_net",
]
