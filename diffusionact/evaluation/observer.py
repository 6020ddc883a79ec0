"""What the figures are made from: what a face reader and a network of face recognition see in images.

The same two networks look at results and at true frames. Rows without a face hold NaN and are counted by the report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..face.errors import NoFaceFoundError
from ..face.expression_names import EXPRESSION_NAMES
from ..face.readers.open.tracking import OpenFaceTracker
from ..images import model_to_uint8, resize
from ..types import FaceObservation, concatenate
from .frame_set import FrameSet

# The mesh likes 256 px; smaller images are enlarged for it. Landmarks are px of images of this size.
OBSERVED_SIZE = 256
BATCH = 8

# Below this the face reader is unsure: the crop of face recognition would show no face, and such crops resemble each
# other. Held against networks whose embeddings are compared by distance.
MIN_SURE = 0.7

# Images (B, 3, H, H) in [-1, 1] and landmarks (B, 68, 2) px -> embeddings (B, D).
IdentityNetwork = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Seen:
    """What was seen in B images; NaN in rows without a face.

    Attributes:
        found: (B,) bool.
        landmarks: (B, 68, 2) px of an image of `OBSERVED_SIZE`.
        head_pose: (B, 3) yaw, pitch, roll in degrees.
        gaze: (B, 2) pitch, yaw in radians.
        expression: (B, 52) in [0, 1].
        embedding: (B, D) of the person; D is 0 for observers without a network of face recognition. NaN, too, where
            the network is compared by distance and the face reader is unsure.
    """

    found: Tensor
    landmarks: Tensor
    head_pose: Tensor
    gaze: Tensor
    expression: Tensor
    embedding: Tensor

    def rows(self, chosen: Sequence[int]) -> Seen:
        """Some of the images, in the order given; a row may come several times."""
        return Seen(**{name: value[list(chosen)] for name, value in vars(self).items()})


class Observer:
    """Looks at images.

    Args:
        identity: network of face recognition; None leaves embeddings out.
        device: where the networks run; results are on the CPU.

    Attributes:
        compared_by: how embeddings are compared: "cosine" or "distance".
    """

    def __init__(self, identity: IdentityNetwork | None, device: torch.device):
        self.identity = identity or no_identity
        self.compared_by = getattr(identity, "compared_by", "cosine")
        self.device = device
        self.tracker = OpenFaceTracker("largest", "error").to(device)

    @torch.no_grad()
    def look(self, images: Tensor) -> Seen:
        """What is seen in images (B, 3, H, H) in [-1, 1]."""
        return join([self._look(batch) for batch in resize(images.to(self.device), OBSERVED_SIZE).split(BATCH)])

    def _look(self, images: Tensor) -> Seen:
        found, faces = self._track(model_to_uint8(images))
        landmarks = faces.landmarks.to(images)
        # A network may not take NaN: faces that are not there are embedded from any crop and then marked.
        embedding = self.identity(images, torch.where(found[:, None, None], landmarks, landmarks.new_zeros(())))
        if self.compared_by == "distance":
            embedding = embedding.masked_fill((faces.confidence < MIN_SURE)[:, None], torch.nan)
        seen = Seen(found, landmarks, faces.head_pose, faces.gaze, faces.expression, embedding)
        blank = {
            name: value.float().masked_fill(~found.reshape(-1, *[1] * (value.ndim - 1)), torch.nan).cpu()
            for name, value in vars(seen).items()
            if name != "found"
        }
        return Seen(found.cpu(), **blank)

    def _track(self, images: Tensor) -> tuple[Tensor, FaceObservation]:
        """Which of (B, H, W, 3) show a face, and B rows."""
        try:
            faces = self.tracker.observe(images)
        except NoFaceFoundError:
            if len(images) == 1:
                return torch.zeros(1, dtype=torch.bool, device=self.device), self._no_face()
            single = [self._track(image[None]) for image in images]
            return torch.cat([found for found, _ in single]), concatenate([faces for _, faces in single])
        return torch.ones(len(images), dtype=torch.bool, device=self.device), faces

    def _no_face(self) -> FaceObservation:
        shapes = {"landmarks": (68, 2), "pupils": (2, 2), "head_pose": (3,), "gaze": (2,), "confidence": ()}
        blank = {name: torch.zeros(1, *shape, device=self.device) for name, shape in shapes.items()}
        expression = torch.zeros(1, len(EXPRESSION_NAMES), device=self.device)
        return FaceObservation(
            **blank, expression=expression, found=torch.zeros(1, dtype=torch.bool, device=self.device)
        )


class FrameSetObserver(Observer):
    """Looks at images, and remembers what it saw in the true frames.

    Args:
        frames: the true frames.
        identity, device: see `Observer`.
    """

    def __init__(self, frames: FrameSet, identity: IdentityNetwork | None, device: torch.device):
        super().__init__(identity, device)
        self.frames = frames
        self._remembered: dict[int, Seen] = {}

    def look_at_true_frames(self, rows: Sequence[int]) -> Seen:
        """What is seen in frames of the frame set; every frame is looked at once."""
        new = [row for row in dict.fromkeys(rows) if row not in self._remembered]
        if new:
            seen = self.look(self.frames.without_padding(new))
            self._remembered |= {row: seen.rows([index]) for index, row in enumerate(new)}
        return join([self._remembered[row] for row in rows])


def no_identity(images: Tensor, landmarks: Tensor) -> Tensor:
    """The `IdentityNetwork` that knows nobody: embeddings (B, 0)."""
    return images.new_zeros(len(images), 0)


def join(parts: Sequence[Seen]) -> Seen:
    """Rows of several looks, one after the other."""
    return Seen(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})
