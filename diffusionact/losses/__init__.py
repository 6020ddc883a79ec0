"""The paper's training objective (Eq. 4 to 6), one file per term, all of them functions of tensors.

The paper writes norms without saying how they are reduced. Everywhere here an l1 distance is the mean of the absolute
differences and an l2 distance the mean of the squared ones, over batch and entries; so a value does not depend on the
size of an image, and weights keep their meaning. No network is known here: see `face_features.py`.
"""

from .background import background_loss
from .detail import detail_loss
from .face_features import FaceFeatures, FacePerception
from .gaze import gaze_loss
from .head_pose import head_pose_loss
from .identity import identity_loss
from .objective import LossWeights, ObjectiveValue, reenactment_objective
from .openings import eye_loss, mouth_loss
from .perceptual import perceptual_loss
from .pixel import pixel_loss
from .shape import shape_loss
from .style import style_loss

__all__ = [
    "FaceFeatures",
    "FacePerception",
    "LossWeights",
    "ObjectiveValue",
    "background_loss",
    "detail_loss",
    "eye_loss",
    "gaze_loss",
    "head_pose_loss",
    "identity_loss",
    "mouth_loss",
    "perceptual_loss",
    "pixel_loss",
    "reenactment_objective",
    "shape_loss",
    "style_loss",
]
