"""Figures of a reenacted clip: our own tracker looks at every output frame and compares it with what was asked for."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import images
from ..face.errors import NoFaceFoundError
from ..face.expression_names import EXPRESSION_NAMES
from ..face.open_face_model import ALIGNED_SIZE, OpenFaceModel
from ..face.tracking import OpenFaceTracker
from ..pipelines import DiffusionActPipeline, ReenactedFrame
from ..types import SourceCodes

try:
    import resource
except ImportError:  # Windows
    resource = None

JAW_OPEN = EXPRESSION_NAMES.index("jawOpen")


class ReenactmentReport:
    """Accumulates one row a frame; nothing but a few numbers of each frame is kept.

    Attributes:
        seconds: time spent here so far, which is no part of the reenactment.
    """

    def __init__(self, pipeline: DiffusionActPipeline, source: SourceCodes):
        self.pipeline = pipeline
        self.source = source
        self.face_model = OpenFaceModel.from_bundled().to(pipeline.device)
        self.tracker = OpenFaceTracker("largest", "error").to(pipeline.device)
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
        """The report: correlations with the driver, landmark error, identity, speed and memory."""
        asked, seen = torch.stack(self.asked or [torch.zeros(3)]), torch.stack(self.seen or [torch.zeros(3)])
        correlation = [_pearson(asked[:, column], seen[:, column]) for column in range(3)]
        return {
            "frames": self.frames,
            "driving_frames_without_a_face": self.frames_without_driver,
            "frames_with_a_face_in_the_output": len(self.seen),
            "yaw_r": correlation[0],
            "pitch_r": correlation[1],
            "jaw_open_r": correlation[2],
            "landmark_nme_percent": _mean(self.landmark_errors),
            "identity_cosine": _mean(self.identity),
            "seconds_per_frame": round(seconds_per_frame, 4),
            "peak_memory_mb": peak_memory_mb(self.pipeline.device),
        }

    def _add(self, frame: ReenactedFrame) -> None:
        self.frames += 1
        self.frames_without_driver += int(not frame.pose.found)
        # The tracker likes 256 px; small models are enlarged for it.
        large = images.resize(frame.image, ALIGNED_SIZE)
        try:
            observation = self.tracker.observe(images.model_to_uint8(large))
        except NoFaceFoundError:
            return
        pose = frame.pose
        self.asked.append(torch.tensor([*pose.head_pose[0, :2].tolist(), float(pose.expression[0, JAW_OPEN])]))
        self.seen.append(
            torch.tensor([*observation.head_pose[0, :2].tolist(), float(observation.expression[0, JAW_OPEN])])
        )
        self.landmark_errors.append(self._landmark_error(frame, observation.landmarks))
        fitted = self.face_model.fit(
            observation.landmarks, observation.expression, observation.head_pose, ALIGNED_SIZE
        )
        self.identity.append(float(F.cosine_similarity(fitted.shape, self.source.coefficients.shape)[0]))

    def _landmark_error(self, frame: ReenactedFrame, landmarks: Tensor) -> float:
        """Mean distance of the inner 51 landmarks to the asked ones, percent of the outer eye corners' distance."""
        scale = frame.image.shape[-1] / ALIGNED_SIZE
        tracked = ((landmarks[0] + 0.5) * scale - 0.5)[17:]
        asked = frame.pose.landmarks[0, 17:].to(tracked.device)
        span = (asked[45 - 17] - asked[36 - 17]).norm()
        return float(100 * (tracked - asked).norm(dim=-1).mean() / span)


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
