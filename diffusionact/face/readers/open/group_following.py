"""The open reader's faces of a clip, all of them: the mesh net looks where the detector loses one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator

import torch
from torch import Tensor

from ....types import FaceObservation
from ..choice import FOLLOWING_REACH
from ..reader import CroppedFace
from ..tracks import FaceTracks, head_colours
from .landmarker.landmarker import Faces, distinct_faces
from .tracking import OpenFaceTracker

Fit = Callable[[Iterator[FaceObservation]], Iterator[CroppedFace]]


class OpenGroupFollower:
    """See `GroupFollower`. The first frame with faces is searched for small ones as well; they are then kept in sight.

    Args:
        tracker: its nets, and how they become observations.
        fit: smooths, crops and fits one face's observations, one row in, one row out; called anew for each face, and
            again when it comes back.
        wanted: numbers of the faces that are read; None reads all.
    """

    def __init__(self, tracker: OpenFaceTracker, fit: Fit, wanted: Container[int] | None):
        self._tracker, self._fit, self._wanted = tracker, fit, wanted
        self._tracks = FaceTracks()
        self._meshes: dict[int, Tensor] = {}
        self._fitting: dict[int, tuple[deque[FaceObservation], Iterator[CroppedFace]]] = {}

    @torch.no_grad()
    def __call__(self, frame: Tensor) -> dict[int, CroppedFace]:
        """See `GroupFollower`."""
        frame = frame.to(self._tracker.device)
        faces = self._look(frame)
        points = faces.points[..., :2]
        numbers = self._tracks.assign(points, head_colours(frame, points))
        self._meshes = {number: points[row] for row, number in enumerate(numbers)}
        self._fitting = {number: self._fitting[number] for number in numbers if number in self._fitting}
        return {
            number: self._fitted(number, self._tracker.observation_of(faces, row))
            for row, number in enumerate(numbers)
            if self._wanted is None or number in self._wanted
        }

    def _look(self, frame: Tensor) -> Faces:
        landmarker = self._tracker.landmarker
        found = landmarker(frame[None])[0]
        if not len(self._tracks):
            return landmarker.search_group(frame) if len(found) else found
        unseen = [mesh for mesh in self._meshes.values() if not _is_near(mesh, found.points[..., :2])]
        return distinct_faces(found, *(landmarker.look_again(frame, mesh) for mesh in unseen))

    def _fitted(self, number: int, observation: FaceObservation) -> CroppedFace:
        if number not in self._fitting:
            waiting: deque[FaceObservation] = deque()
            self._fitting[number] = waiting, self._fit(iter(waiting.popleft, None))
        waiting, faces = self._fitting[number]
        waiting.append(observation)
        return next(faces)


def _is_near(mesh: Tensor, others: Tensor) -> bool:
    """Whether one of the meshes (N, 478, 2) px lies where a mesh (478, 2) was, within half of its reach."""
    size = (mesh.amax(0) - mesh.amin(0)).max()
    away = (others - mesh).norm(dim=-1).mean(-1)
    return bool((away < 0.5 * FOLLOWING_REACH * size).any())
