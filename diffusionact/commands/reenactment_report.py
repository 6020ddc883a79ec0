"""Figures of a reenacted clip: every output frame is looked at and compared with what was asked for."""

from __future__ import annotations

import math
import sys
import time

import torch
from torch import Tensor

from .. import images
from ..evaluation.figures import landmark_error_percent, pearson
from ..evaluation.output_observer import SeenOutput, output_observer
from ..metrics import csim
from ..pipelines import DiffusionActPipeline, ReenactedFrame
from ..types import SourceCodes

try:
    import resource
except ImportError:  # Windows
    resource = None


class ReenactmentReport:
    """Accumulates one row per frame; nothing but a few numbers of each frame is kept.

    Attributes:
        seconds: time spent here so far, which is no part of the reenactment.
    """

    def __init__(self, pipeline: DiffusionActPipeline, source: SourceCodes):
        self.pipeline = pipeline
        self.source = source
        self.observer = output_observer(pipeline.face_reader, pipeline.device)
        self.source_embedding = self._embedding(source.image)
        self.seen: list[SeenOutput] = []
        self.embeddings: list[Tensor] = []
        self.frames = 0
        self.frames_without_driver = 0
        self.seconds = 0.0

    def add(self, frame: ReenactedFrame) -> None:
        """Note what is seen in a frame: the aligned face, of any size."""
        started = time.perf_counter()
        self._add(frame)
        self.seconds += time.perf_counter() - started

    def figures(self, seconds_per_frame: float) -> dict[str, str | float | int | None]:
        """The report: correlations with the driver, landmark error, identity, speed and memory; None: not measured.

        The landmark error is in percent of the distance between the outer eye corners; `identity_cosine` compares
        identity coefficients of the reader's face model, `arcface_cosine` (CSIM) the embeddings that a reader brings
        (insightface).
        """
        return {
            "tracker": self.pipeline.face_reader.name,
            "frames": self.frames,
            "driving_frames_without_a_face": self.frames_without_driver,
            "frames_with_a_face_in_the_output": len(self.seen),
            **self._figures_of_faces(),
            "arcface_cosine": self._arcface_cosine(),
            "seconds_per_frame": round(seconds_per_frame, 4),
            "peak_memory_mb": peak_memory_mb(self.pipeline.device),
        }

    def _add(self, frame: ReenactedFrame) -> None:
        self.frames += 1
        self.frames_without_driver += int(not frame.pose.found)
        seen = self.observer.look(frame)
        if seen is None:
            return
        self.seen.append(seen)
        embedding = self._embedding(frame.image)
        if embedding is not None:
            self.embeddings.append(embedding)

    def _figures_of_faces(self) -> dict[str, float | None]:
        """None throughout where no output frame shows a face."""
        names = ("yaw_r", "pitch_r", "jaw_open_r", "landmark_nme_percent", "identity_cosine")
        if not self.seen:
            return dict.fromkeys(names)
        columns = ("motion", "wanted_motion", "landmarks", "wanted_landmarks")
        motion, wanted_motion, landmarks, wanted_landmarks = (
            torch.stack([getattr(seen, name) for seen in self.seen]) for name in columns
        )
        shape = torch.cat([seen.shape for seen in self.seen])
        values = (
            *(pearson(motion[:, column], wanted_motion[:, column]) for column in range(3)),
            float(landmark_error_percent(landmarks, wanted_landmarks).mean()),
            float(csim(shape, self.source.coefficients.shape.to(shape).expand_as(shape)).mean()),
        )
        return {name: _rounded(value) for name, value in zip(names, values, strict=True)}

    def _arcface_cosine(self) -> float | None:
        if self.source_embedding is None or not self.embeddings:
            return None
        embeddings = torch.stack(self.embeddings)
        return _rounded(float(csim(embeddings, self.source_embedding.expand_as(embeddings)).mean()))

    def _embedding(self, image: Tensor) -> Tensor | None:
        """Identity (D,) of an image (1, 3, H, W); None without a face, or where the reader brings no such network."""
        return self.pipeline.face_reader.embed_identity(images.model_to_uint8(image)[0])


def peak_memory_mb(device: torch.device) -> float | None:
    """Highest memory use so far: of the GPU where there is one, else of the process, in megabytes; None if unknown."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 2**20 if sys.platform == "darwin" else peak / 2**10, 1)  # bytes there, kilobytes elsewhere


def _rounded(value: float) -> float | None:
    """JSON has no NaN."""
    return round(value, 4) if math.isfinite(value) else None
