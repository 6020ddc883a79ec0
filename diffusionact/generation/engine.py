"""What the pipeline, nodes, app, training and evaluation ask of an engine: the component that makes frames.

    aligned source -> encode -> codes              once per source
    source, pose   -> condition -> conditioning    cheap, per frame
    source, conditioning -> render -> frames       the cost

Named tensors go in and come out; what they mean stays inside the engine. An engine needs no import of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from ..devices import default_dtype
from ..types import CropTransform, FacePose, SourceCodes
from .conditioning import Conditioning
from .sampling import PreviewCallback, Sampling, StepCallback


@dataclass(frozen=True)
class AlignedSource:
    """A source as an engine receives it.

    Attributes:
        image: (B, 3, S, S) in [-1, 1], aligned, at the engine's sample size.
        pose: the source's own pose, B rows.
        photo: uint8 (H, W, 3), the whole photo that a single image was cut from; None where there is none.
        crop: photo -> aligned image, one row, where there is a photo.
        alpha: (H, W) uint8 of the photo, whose colours go on where it is 0; None where it is opaque, or unknown.
    """

    image: Tensor
    pose: FacePose
    photo: Tensor | None = None
    crop: CropTransform | None = None
    alpha: Tensor | None = None


class Engine(Protocol):
    """Makes frames of an encoded source; frames are independent of each other.

    Attributes:
        name: of the engine, as model_index.json says it.
        sample_size: side of its images, pixels.
        landmark_frame: where the landmarks of its poses lie, see `face.pose.extraction.LandmarkFrame`.
        presets: name -> how frames are sampled under it; empty where there is nothing to choose.
        fingerprint: a short hash of the weights, to tell whose codes a saved source holds.
        modules: the networks, each once; they may be none.
        independent_frames: may be left out; True where a frame is the same whichever were rendered before it, so that a
            clip may be rendered in parts.
        full_precision: may be left out; True where the networks stay float32 unless told otherwise.
    """

    name: str
    sample_size: int
    landmark_frame: str
    presets: Mapping[str, Sampling]
    fingerprint: str
    modules: tuple[nn.Module, ...]

    @property
    def device(self) -> torch.device:
        """Where the networks are."""

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Engine:
        """Move the networks; `dtype`, where given, is for those that like half precision."""

    def save(self, folder: Path) -> None:
        """Write a model folder that the registry loads."""

    def encode(
        self, source: AlignedSource, num_inversion_steps: int | None = None, on_step: StepCallback | None = None
    ) -> Mapping[str, Tensor]:
        """Everything that rendering needs of B sources, B rows each.

        Args:
            source: aligned.
            num_inversion_steps: of engines that invert; None is the model's own number.
            on_step: called after each of `encode_steps` with (done, total).
        """

    def condition(self, source: SourceCodes, pose: FacePose) -> Mapping[str, Tensor]:
        """What F frames are rendered from, F rows each.

        Args:
            source: one row, or F.
            pose: F rows, in the engine's landmark frame.
        """

    def render(
        self,
        source: SourceCodes,
        conditioning: Conditioning,
        sampling: Sampling,
        on_step: StepCallback | None = None,
        on_preview: PreviewCallback | None = None,
    ) -> Tensor:
        """Images (F, 3, S, S) in [-1, 1].

        Args:
            source: one row, or F.
            conditioning: F rows.
            sampling: how, where the engine samples.
            on_step: called after each of `steps_per_frame` with (done, total), once for all F frames.
            on_preview: called with the images (F, 3, S, S) as they are expected to become.
        """

    def encode_steps(self, num_inversion_steps: int | None = None) -> int:
        """How often `encode` calls `on_step`; 0 where it is done at once."""

    def check_sampling(self, sampling: Sampling) -> None:
        """Raise ValueError if the engine cannot sample like that."""

    def steps_per_frame(self, sampling: Sampling) -> int:
        """How often `render` calls `on_step`: at least 1."""

    def activation_bytes(self, num_frames: int) -> int:
        """Memory that rendering so many frames together takes beyond the weights, estimated."""


def preferred_dtype(engine: Engine, device: torch.device) -> torch.dtype:
    """The dtype of `engine` on `device` where the user names none: see `default_dtype`, or float32."""
    return torch.float32 if getattr(engine, "full_precision", False) else default_dtype(device)
