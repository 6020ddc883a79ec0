"""What the passes of the renderer share: the film that they draw on, and the frame's geometry, camera and light."""

from dataclasses import dataclass

import numpy as np

from .camera import Camera
from .head import PosedHead
from .light import Lighting

BACKGROUND_LABEL, PERSON_LABEL, FACE_LABEL = 0, 1, 2


@dataclass
class Canvas:
    """Supersampled film: linear colour (P,3), depth (P,) and label (P,) of each of size * size pixels."""

    size: int
    colour: np.ndarray
    depth: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class View:
    """One frame's geometry, camera and light."""

    posed: PosedHead
    camera: Camera
    lighting: Lighting
