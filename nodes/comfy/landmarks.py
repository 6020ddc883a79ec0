"""Driving faces: tracked by the pack, or taken from ComfyUI's own FACE_LANDMARKS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ...diffusionact import OpenFaceTracker, PoseOptions
from ...diffusionact.face.expression_names import EXPRESSION_NAMES
from ...diffusionact.face.readers.open.landmarker import Faces
from ...diffusionact.face.readers.reader import CroppedFace, FaceReader
from .progress import NodeProgress
from .video import DrivingClip


def driving_faces(
    reader: FaceReader,
    clip: DrivingClip,
    face_landmarks: dict[str, Any] | None,
    options: PoseOptions,
    progress: NodeProgress,
) -> Iterator[CroppedFace]:
    """Yield the driver's face of every frame, one row each.

    Args:
        reader: tracks, and fits its face model.
        clip: the driving frames.
        face_landmarks: ComfyUI's FACE_LANDMARKS for the same frames; None tracks.
        options: how the clip is read.
        progress: one step per frame.

    Raises:
        ValueError: if landmarks are given for another clip, or for a tracker that has its own.
    """
    if face_landmarks is None:
        return reader.read(progress.watch(clip.frames), options, float(clip.frame_rate))
    frames = face_landmarks["frames"]
    # The number in a file's header may be an estimate: one that differs is counted.
    if clip.frame_count != len(frames) != (count := sum(1 for _ in clip.frames)):
        raise ValueError(
            f"Expected face landmarks for the {count} driving frames, received {len(frames)}. Detect them "
            "in the same clip that is connected to driving."
        )
    if reader.name != "open":
        raise ValueError(
            f"Expected the tracker 'open' beside face landmarks, received {reader.name!r}, which takes none. "
            "Disconnect face_landmarks, or choose open."
        )
    tracker = OpenFaceTracker(options.face, options.missing, options.detection_threshold).to(reader.device)
    seen = (faces_in(frame, reader.device) for frame in progress.watch(frames))
    return reader.fit(tracker.follow(seen), options, float(clip.frame_rate))


def faces_in(found: list[dict[str, Any]], device: torch.device) -> Faces:
    """The faces of one frame of FACE_LANDMARKS, largest first."""
    found = sorted(found, key=_size, reverse=True)
    points = [_mesh(face) for face in found]
    values = [[face["blendshapes"].get(name, 0.0) for name in EXPRESSION_NAMES] for face in found]
    scores = [face["score"] / (1.0 + torch.tensor(-face["presence"]).exp().item()) for face in found]
    count = len(found)
    return Faces(
        points=torch.stack(points).to(device) if count else torch.zeros(0, 478, 3, device=device),
        blendshapes=torch.tensor(values, device=device).reshape(count, len(EXPRESSION_NAMES)),
        transforms=torch.eye(4, device=device).repeat(count, 1, 1),
        boxes=torch.zeros(count, 4, device=device),
        key_points=torch.zeros(count, 6, 2, device=device),
        confidence=torch.tensor(scores, device=device),
    )


def _size(face: dict[str, Any]) -> float:
    left, top, right, bottom = face["bbox_xyxy"]
    return float(max(right - left, bottom - top))


def _mesh(face: dict[str, Any]) -> Tensor:
    """(478, 3) px: the frame's x and y, and the depth, given in px of the face net's input, at the same scale."""
    inside = torch.as_tensor(face["landmarks_3d"], dtype=torch.float32)
    points = torch.as_tensor(face["landmarks_xy"], dtype=torch.float32)
    scale = (points - points.mean(0)).norm() / (inside[:, :2] - inside[:, :2].mean(0)).norm()
    return torch.cat([points, inside[:, 2:] * scale], dim=1)
