"""The authors' inference procedure, as in the official code, for a pair of images or frame by frame for a clip.

Both images are squeezed to 256 px and aligned, and landmarks are found before and after; the source is inverted in 50
steps by the untouched UNet and decoded in 20 by the fine-tuned one, in float32. Nothing is smoothed, filled in or
chosen: the face with the best score counts. Every rounding is the official code's. Two things differ: an image without
a face is an error (there it is uninitialised memory), and images are written with the fixed range, not stretched to
their own extremes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..checks import check_frames
from ..face.errors import NoFaceFoundError
from ..face.geometry.alignment import align_face, compose_transforms
from ..face.geometry.crop_frame import CROP_SIZE
from ..face.geometry.resize import resize_transform
from ..face.pose.retargeting import face_pose, recombine
from ..face.readers.emoca.face_measuring import MeasuredFace, detect_faces, find_landmarks, measure_aligned
from ..face.readers.emoca.ranges import to_truncated_bytes
from ..face.readers.emoca.reader import EmocaFaceReader
from ..generation.engine_names import DIFFUSION
from ..generation.sampling import StepCallback
from ..types import CropTransform, FaceCoefficients, FacePose, SourceCodes
from .reenactment import DiffusionActPipeline, ReenactedFrame

FRAME_SIZE = 256
NUM_INVERSION_STEPS = 50
NUM_INFERENCE_STEPS = 20


@dataclass(frozen=True)
class AlignedFace:
    """What the procedure knows of one image.

    Attributes:
        image: (1, 3, 256, 256) in [-1, 1], the aligned image.
        crop: full image -> aligned image; squeezes where the image is not square.
        face: measured in the aligned image.
    """

    image: Tensor
    crop: CropTransform
    face: MeasuredFace


class OfficialProcedure:
    """The official procedure with a pipeline's networks.

    Args:
        pipeline: the converted official model with the tracker "emoca", in float32.

    Raises:
        ValueError: if the pipeline cannot follow the procedure.
    """

    def __init__(self, pipeline: DiffusionActPipeline):
        _check_pipeline(pipeline)
        self.pipeline = pipeline
        self.networks = pipeline.face_reader.networks

    @torch.no_grad()
    def encode_source(
        self, image: Tensor, num_inversion_steps: int | None = None, on_step: StepCallback | None = None
    ) -> SourceCodes:
        """Align a source uint8 (H, W, 3), encode it with its own landmark map, and invert it.

        Args:
            image: any size; its aspect ratio is lost.
            num_inversion_steps: None is the official 50.
            on_step: called after every UNet call with (done, total).

        Raises:
            NoFaceFoundError: if no face is found, in the image or in its aligned version.
        """
        check_frames("source", image[None])
        aligned = self.align(image, "the source")
        pose = self._pose(aligned.face.coefficients, aligned.face.gaze)
        with _full_precision():
            code = self.pipeline.reenactment_encoder(aligned.image, self.pipeline.landmark_map(pose))
            steps = num_inversion_steps or NUM_INVERSION_STEPS
            x_T = self.pipeline.invert(aligned.image, code, steps, on_step)
        return SourceCodes(
            image=aligned.image,
            crop=aligned.crop,
            coefficients=pose.coefficients,
            frame=pose.frame,
            gaze=pose.gaze,
            codes={"semantic_code": code, "stochastic_code": x_T},
        )

    def stream(
        self, source: SourceCodes, driving: Iterable[Tensor], num_inference_steps: int | None = None
    ) -> Iterator[ReenactedFrame]:
        """Reenact frame by frame, each as if it were the only one.

        Args:
            source: from `encode_source`.
            driving: uint8 (H, W, 3) frames.
            num_inference_steps: None is the official 20.

        Raises:
            NoFaceFoundError: if a frame shows no face.
        """
        for index, frame in enumerate(driving):
            check_frames("driving", frame[None])
            yield self._reenact(source, frame, f"driving frame {index + 1}", num_inference_steps)

    @torch.no_grad()
    def align(self, image: Tensor, whose: str) -> AlignedFace:
        """Squeeze, find, align, find again, measure: steps 1 to 4 of the procedure, and the face networks.

        Args:
            image: uint8 (H, W, 3).
            whose: name of the image in messages.
        """
        squeezed = squeezed_image(image).to(self.pipeline.device)
        with _full_precision():
            landmarks = self._landmarks(squeezed, whose)
            levels = to_truncated_bytes(squeezed)[0].movedim(0, -1).contiguous()
            aligned, crop = align_face(levels, landmarks[0], FRAME_SIZE)
            aligned_image = _planes(aligned).to(squeezed.device) / 255.0 * 2.0 - 1.0
            inner = self._landmarks(aligned_image, f"the aligned image of {whose}")
            face = measure_aligned(self.networks, aligned_image, inner)
        to_aligned = compose_transforms(crop.matrix.to(squeezed.device), _squeeze(image).to(squeezed.device))
        return AlignedFace(aligned_image, CropTransform(to_aligned, FRAME_SIZE), face)

    @torch.no_grad()
    def _reenact(self, source: SourceCodes, frame: Tensor, whose: str, steps: int | None) -> ReenactedFrame:
        driver = self.align(frame, whose).face
        coefficients = recombine(self.networks.flame, source.coefficients, driver.coefficients)
        pose = self._pose(coefficients, driver.gaze)
        with _full_precision():
            code = self.pipeline.reenactment_encoder(source.image, self.pipeline.landmark_map(pose))
            image = self.pipeline.sample(source.stochastic_code, code, steps or NUM_INFERENCE_STEPS)
        return ReenactedFrame(image, pose)

    def _landmarks(self, image: Tensor, whose: str) -> Tensor:
        found = detect_faces(self.networks, image)
        if not len(found):
            raise NoFaceFoundError(
                f"No face found in {whose}, squeezed to {FRAME_SIZE} px as the official procedure does. Crop the "
                "image closer to the face, or leave out --exact."
            )
        return find_landmarks(self.networks, image, found.boxes[0])

    def _pose(self, coefficients: FaceCoefficients, gaze: Tensor) -> FacePose:
        """Landmarks of the 224 px crop, drawn as they are."""
        frame = CropTransform(torch.eye(2, 3, device=gaze.device)[None], CROP_SIZE)
        found = torch.ones(1, dtype=torch.bool, device=gaze.device)
        return face_pose(self.networks.flame, coefficients, gaze, found, frame)


def squeezed_image(image: Tensor) -> Tensor:
    """The procedure's first image (1, 3, 256, 256) in [-1, 1] of a frame uint8 (H, W, 3), its aspect ratio lost."""
    squeezed = Image.fromarray(image.cpu().numpy()).resize((FRAME_SIZE, FRAME_SIZE), Image.Resampling.BILINEAR)
    # Divided in two steps, as torchvision's ToTensor and Normalize do: other roundings give other bytes later.
    return (_planes(torch.from_numpy(np.array(squeezed))) / 255.0 - 0.5) / 0.5


def _planes(image: Tensor) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) uint8."""
    return image.movedim(-1, 0)[None].contiguous()


def _squeeze(image: Tensor) -> Tensor:
    """Full image (H, W, 3) -> squeezed image, as an affine map (1, 2, 3)."""
    return resize_transform(tuple(image.shape[:2]), FRAME_SIZE)


def _full_precision() -> AbstractContextManager:
    """Convolutions in float32 also on GPUs that would shorten their inputs to 19 bits."""
    return torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False)


def _check_pipeline(pipeline: DiffusionActPipeline) -> None:
    """Raise ValueError unless tracker, model and number format are the official ones."""
    if pipeline.engine.name != DIFFUSION:
        raise ValueError(
            f"Expected the engine {DIFFUSION!r} for the exact procedure, received {pipeline.engine.name!r}. Use the "
            "converted official model, or leave out --exact."
        )
    received = {
        "the tracker": (pipeline.face_reader.name, EmocaFaceReader.name),
        "a model with the landmark frame": (pipeline.config.landmark_frame, "crop224"),
        "an image side of": (pipeline.sample_size, FRAME_SIZE),
        "the prediction type": (pipeline.scheduler.config.prediction_type, "epsilon"),
        "UNets in": (pipeline.unet.dtype, torch.float32),
    }
    for what, (value, wanted) in received.items():
        if value != wanted:
            raise ValueError(
                f"Expected {what} {wanted} for the exact procedure, received {value}. Use the converted official model "
                "with the tracker 'emoca' in float32, or leave out --exact."
            )
