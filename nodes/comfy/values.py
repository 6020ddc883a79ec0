"""The values that travel between the nodes.

Frozen dataclasses of CPU tensors; a node never changes what it received. Clips carry the driver's rate and sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from ...diffusionact.face.pose.extraction import LandmarkFrame
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
    """

    codes: SourceCodes
    image: Tensor
    fingerprint: str
    landmark_frame: LandmarkFrame


@dataclass(frozen=True)
class Timing:
    """When the frames of a clip play, and to what sound.

    Attributes:
        frame_rate: frames a second, exact.
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
    """Predicted semantic codes of a clip.

    Attributes:
        semantic_codes: (F, D).
        source_code: (1, D), the semantic code of the source that they pose.
        fingerprint: that of the source.
        timing: of the driver.
    """

    semantic_codes: Tensor
    source_code: Tensor
    fingerprint: str
    timing: Timing

    def check(self, source: Source) -> None:
        """Raise ValueError unless these codes pose `source`: another one's would give a mixture without a word."""
        if not torch.equal(self.source_code, source.codes.semantic_code):
            raise ValueError(
                "Expected codes and a source that belong together, received codes of another source. Connect the same "
                "Encode Source or Load Source to Reenact and to Decode."
            )
