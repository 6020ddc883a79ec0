"""The open reader's face of a live stream: the mesh net looks where the face was, the detector only when it is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ....types import CropTransform, FaceObservation
from ...geometry.alignment import clip_crop_transform
from ..reader import CroppedFace
from ..smoothing import OneEuroFilter
from .face_model import ALIGNED_SIZE
from .tracking import OpenFaceTracker

# The upright crop follows the head this slowly, Hz: roll and travel are seen inside it, and who sits elsewhere than
# before is in its middle again some seconds later.
CROP_CUTOFF_HZ = 0.05
# The face's own shape is the mean of that many fits; after them only its pose is fitted.
SHAPE_FITS = 8


class OpenFaceFollower:
    """See `FaceFollower`; begins with the largest face, and stays with it until it is lost.

    Args:
        tracker: used by nobody else; its nets, and how they become observations.
        fit: (observation in px of the frame, crop) -> the fitted face.
        fit_known: the same of a face whose shape (1, K) is the last argument.
    """

    def __init__(
        self,
        tracker: OpenFaceTracker,
        fit: Callable[[FaceObservation, CropTransform], CroppedFace],
        fit_known: Callable[[FaceObservation, CropTransform, Tensor], CroppedFace],
    ):
        tracker.landmarker.trace_for_one_face()
        self._tracker, self._fit_new, self._fit_known = tracker, fit, fit_known
        self._mesh: Tensor | None = None
        self._shapes: list[Tensor] = []
        self._frame_size: tuple[int, ...] = ()
        self.recentre()

    @torch.inference_mode()
    def __call__(self, frame: Tensor, seconds: float) -> CroppedFace | None:
        """See `FaceFollower`."""
        frame, landmarker = frame.to(self._tracker.device), self._tracker.landmarker
        if self._frame_size != tuple(frame.shape):  # another camera, or a phone that was turned
            self._mesh, self._frame_size = None, tuple(frame.shape)
        found = landmarker.look_once(frame) if self._mesh is None else landmarker.look_again(frame, self._mesh)
        if not len(found) and self._mesh is not None:
            found = landmarker.look_once(frame)
        if not len(found):
            self._mesh, self._shapes = None, []  # somebody else may come
            return None
        self._mesh = found.points[0]
        observation = self._tracker.observation_of(found, 0)
        crop = clip_crop_transform(observation.landmarks, ALIGNED_SIZE)
        self._crop.rate = 1.0 / seconds
        return self._fit(observation, replace(crop, matrix=self._crop(crop.matrix)))

    def _fit(self, observation: FaceObservation, crop: CropTransform) -> CroppedFace:
        if len(self._shapes) == SHAPE_FITS:
            return self._fit_known(observation, crop, torch.stack(self._shapes).mean(0))
        face = self._fit_new(observation, crop)
        self._shapes.append(face.coefficients.shape)
        return face

    def recentre(self) -> None:
        """See `FaceFollower`."""
        self._crop = OneEuroFilter(1.0, min_cutoff=CROP_CUTOFF_HZ, beta=0.0)
