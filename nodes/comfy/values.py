"""The values that travel between the nodes.

Frozen dataclasses of CPU tensors; a node never changes what it received. Clips carry the driver's rate and sound.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ...diffusionact.face.pose.extraction import LandmarkFrame
from ...diffusionact.generation import Conditioning
from ...diffusionact.types import FacePose, SourceCodes

STILL_FRAME_RATE = Fraction(25)


@dataclass(frozen=True)
class Source:
    """An encoded source.

    Attributes:
        codes: from `DiffusionActPipeline.encode_source`.
        image: uint8 (H, W, 3), the whole image that the face was cut from.
        fingerprint: of the model and the face model that encoded it, see `source_fingerprint`.
        landmark_frame: where that model's landmark maps are drawn.
        alpha: uint8 (H, W) of an image with transparent parts, whose colours go on there; None where it is opaque.
    """

    codes: SourceCodes
    image: Tensor
    fingerprint: str
    landmark_frame: LandmarkFrame
    alpha: Tensor | None = None

    @cached_property
    def codes_hash(self) -> str:
        """A short hash of the codes, to tell one source from another; computed once."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.codes.codes.items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Timing:
    """When the frames of a clip play, and to what sound.

    Attributes:
        frame_rate: frames per second, exact.
        audio: ComfyUI's AUDIO, or None.
    """

    frame_rate: Fraction = STILL_FRAME_RATE
    audio: dict[str, Any] | None = None


@dataclass(frozen=True)
class Pose:
    """Poses of a clip.

    Attributes:
        rows: F of them.
        timing: of the driver.
    """

    rows: FacePose
    timing: Timing


@dataclass(frozen=True)
class Codes:
    """What a clip is rendered from.

    Attributes:
        conditioning: F rows; opaque to everybody but the model.
        source_hash: `Source.codes_hash` of the source that they pose.
        fingerprint: that of the source.
        timing: of the driver.
    """

    conditioning: Conditioning
    source_hash: str
    fingerprint: str
    timing: Timing

    def check(self, source: Source) -> None:
        """Raise ValueError unless these codes pose `source`: another one's would give a mixture without a word."""
        if self.source_hash != source.codes_hash:
            raise ValueError(
                "Expected codes and a source that belong together, received codes of another source. Connect the same "
                "Encode Source or Load Source to Reenact and to Decode."
            )
