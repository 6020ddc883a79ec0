"""Figures of a reenacted clip: a tracker looks at every output frame and compares it with what was asked for."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import images
from ..face.errors import NoFaceFoundError
from ..pipelines import DiffusionActPipeline, ReenactedFrame
from ..types import SourceCodes
from .output_tracking import SeenFace, output_tracker

try:
    import resource
except ImportError:  # Windows
    resource = None

INNER = slice(17, None)
OUTER_EYE_CORNERS = (36, 45)


class ReenactmentReport:
    """Accumulates one row a frame; nothing but a few numbers of each frame is kept.

    Attributes:
        seconds: time spent here so far, which is no part of the reenactment.
    """

    def __init__(self, pipeline: DiffusionActPipeline, source: SourceCodes):
        self.pipeline = pipeline
        self.source = source
        self.tracker = output_tracker(pipeline.faces, pipeline.device)
        self.embedding = _Embedding(pipeline, source)
        self.asked: list[Tensor] = []
        self.seen: list[Tensor] = []
        self.landmark_errors: list[float] = []
        self.identity: list[float] = []
        self.frames = 0
        self.frames_without_driver = 0
        self.seconds = 0.0

    def watch(self, stream: Iterator[ReenactedFrame]) -> Iterator[ReenactedFrame]:
        """Pass frames through and note what the tracker sees in them."""
        for frame in stream:
            started = time.perf_counter()
            self._add(frame)
            self.seconds += time.perf_counter() - started
            yield frame

    def figures(self, seconds_per_frame: float) -> dict[str, float | int | None]:
        """The report: correlations with the driver, landmark error, identity, speed and memory; None: not measured.

        The landmark error is in percent of the distance between the outer eye corners; `identity_cosine` compares
        identity coefficients of the tracker's face model, `arcface_cosine` (CSIM) the embeddings of insightface.
        """
        asked, seen = torch.stack(self.asked or [torch.zeros(3)]), torch.stack(self.seen or [torch.zeros(3)])
        correlation = [_pearson(asked[:, column], seen[:, column]) for column in range(3)]
        return {
            "tracker": self.pipeline.faces.name,
            "frames": self.frames,
            "driving_frames_without_a_face": self.frames_without_driver,
            "frames_with_a_face_in_the_output": len(self.seen),
            "yaw_r": correlation[0],
            "pitch_r": correlation[1],
            "jaw_open_r": correlation[2],
            "landmark_nme_percent": _mean(self.landmark_errors),
            "identity_cosine": _mean(self.identity),
            "arcface_cosine": _mean(self.embedding.cosines),
            "seconds_per_frame": round(seconds_per_frame, 4),
            "peak_memory_mb": peak_memory_mb(self.pipeline.device),
        }

    def _add(self, frame: ReenactedFrame) -> None:
        self.frames += 1
        self.frames_without_driver += int(not frame.pose.found)
        try:
            seen = self.tracker.look(frame)
        except NoFaceFoundError:
            return
        pose, face_model = frame.pose, self.pipeline.faces.face_model
        asked_jaw = face_model.jaw_open(pose.expression)
        self.asked.append(torch.tensor([*pose.head_pose[0, :2].tolist(), float(asked_jaw)]))
        self.seen.append(torch.tensor([*seen.head_pose[0, :2].tolist(), float(seen.jaw_open)]))
        self.landmark_errors.append(_landmark_error(seen))
        self.identity.append(float(F.cosine_similarity(seen.shape, self.source.coefficients.shape)[0]))
        self.embedding.add(frame.image)


class _Embedding:
    """Cosine of each output frame's identity embedding with the source's, where the face reader embeds identities."""

    def __init__(self, pipeline: DiffusionActPipeline, source: SourceCodes):
        self.cosines: list[float] = []
        self.faces = pipeline.faces
        self.source = self._embed(source.image)

    def add(self, image: Tensor) -> None:
        """Compare one output image (1, 3, H, W)."""
        embedding = self._embed(image) if self.source is not None else None
        if embedding is not None:
            self.cosines.append(float(embedding @ self.source))

    def _embed(self, image: Tensor) -> Tensor | None:
        return self.faces.embed_identity(images.model_to_uint8(image)[0])


def _landmark_error(seen: SeenFace) -> float:
    """Mean distance of the inner 51 landmarks to the asked ones, percent of the outer eye corners' distance."""
    right, left = (seen.asked[corner] for corner in OUTER_EYE_CORNERS)
    distance = (seen.landmarks[INNER] - seen.asked[INNER]).norm(dim=-1).mean()
    return float(100 * distance / (left - right).norm())


def peak_memory_mb(device: torch.device) -> float | None:
    """Highest memory use so far: of the GPU where there is one, else of the process, in megabytes; None if unknown."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 2**20 if sys.platform == "darwin" else peak / 2**10, 1)  # bytes there, kilobytes elsewhere


def _pearson(first: Tensor, second: Tensor) -> float | None:
    """Pearson's r, None where one side does not vary."""
    if len(first) < 2 or first.std() == 0 or second.std() == 0:
        return None
    return round(float(torch.corrcoef(torch.stack([first, second]))[0, 1]), 4)


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
