"""The networks behind the losses and metrics, and what puts them together into a `FacePerception` of `losses`.

Two lanes: `load_open_perception` brings the bundled networks; `CombinedPerception` joins the paper's, from files of the
user, which `conversion/paper_perception.py` reads.
"""

from .combined import CombinedPerception
from .landmarker_face import LandmarkerFace
from .open_perception import OpenPerception, load_open_perception, load_portrait_net
from .portrait_net import PortraitNet, PortraitReading

__all__ = [
    "CombinedPerception",
    "LandmarkerFace",
    "OpenPerception",
    "PortraitNet",
    "PortraitReading",
    "load_open_perception",
    "load_portrait_net",
]
