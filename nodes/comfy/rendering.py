"""The pipeline's calls under ComfyUI's memory management, with progress; what is kept comes back to the CPU."""

from __future__ import annotations

from collections.abc import Iterator

import comfy.model_management
from torch import Tensor

from ...diffusionact import PoseOptions
from ...diffusionact.face.geometry.crop_change import UNCHANGED, CropChange
from ...diffusionact.face.readers.reader import FaceReader
from ...diffusionact.generation import Conditioning, Sampling
from ...diffusionact.generation.chunks import in_chunks
from ...diffusionact.pipelines import ReenactedFrame
from ...diffusionact.types import FacePose, concatenate, map_tensors
from .face_reading import reader_of
from .model_management import LoadedModel
from .progress import NodeProgress
from .values import Codes, Source
from .video import DrivingClip

CONDITIONING_CHUNK_SIZE = 16


def encode(
    model: LoadedModel,
    image: Tensor,
    face: str | int,
    inversion_steps: int,
    reader: FaceReader,
    crop: CropChange | None = None,
    alpha: Tensor | None = None,
) -> Source:
    """Encode a source, with a step of progress for each step of the engine.

    Args:
        model: encodes.
        image: uint8 (H, W, 3).
        face: "largest" or a number.
        inversion_steps: 0 takes the model's own number.
        reader: finds and measures the face.
        crop: what is changed of the square around the face.
        alpha: uint8 (H, W) of an image with transparent parts.

    Raises:
        NoFaceFoundError: if the image shows no such face.
    """
    pipeline, steps = model.pipeline.with_face_reader(reader), inversion_steps or None
    progress = NodeProgress(pipeline.engine.encode_steps(steps))
    model.load(1)
    codes = pipeline.encode_source(image, steps, face, progress.on_step, crop or UNCHANGED, alpha)
    codes = map_tensors(codes, lambda tensor: tensor.cpu())
    return Source(codes, image, pipeline.fingerprint, pipeline.landmark_frame, alpha)


def condition(model: LoadedModel, source: Source, pose: FacePose) -> Conditioning:
    """What the source is rendered from in every pose, which may have been made for another one."""
    pipeline = model.pipeline.with_face_reader(reader_of(source.codes.coefficients))
    on_device, progress = pipeline.source_to_device(source.codes), NodeProgress(len(pose.found))

    def work(rows: slice) -> Conditioning:
        model.load(rows.stop - rows.start)
        part = pipeline.fit_pose(source.codes, map_tensors(pose, lambda tensor: tensor[rows]))
        conditioning = pipeline.reenact(on_device, part)
        progress.advance_to(rows.stop)
        return map_tensors(conditioning, lambda tensor: tensor.cpu())

    free_memory = comfy.model_management.soft_empty_cache
    return concatenate(list(in_chunks(work, len(pose.found), CONDITIONING_CHUNK_SIZE, free_memory)))


def render(model: LoadedModel, source: Source, codes: Codes, sampling: Sampling, chunk_size: int) -> Iterator[Tensor]:
    """Yield images (n, 3, H, W) in [-1, 1], chunk after chunk."""
    pipeline = model.pipeline
    conditioning = map_tensors(codes.conditioning, lambda tensor: tensor.to(pipeline.device))
    progress = NodeProgress(len(conditioning) * pipeline.engine.steps_per_frame(sampling))
    on_device = pipeline.source_to_device(source.codes)
    for images in pipeline.render(on_device, conditioning, sampling, chunk_size, model.hooks(progress)):
        yield images.cpu()


def stream(
    model: LoadedModel,
    source: Source,
    reader: FaceReader,
    clip: DrivingClip,
    options: PoseOptions,
    sampling: Sampling,
    chunk_size: int,
) -> Iterator[ReenactedFrame]:
    """Yield a frame, where the model works, for every frame of a driving clip; nothing grows with its length.

    Args:
        model: renders.
        source: is animated; encoded with `reader`.
        reader: reads the driver.
        clip: drives.
        options: how the clip is read.
        sampling: how frames are rendered, where the model samples.
        chunk_size: frames rendered together.

    Raises:
        NoFaceFoundError: see `PoseOptions.missing`.
    """
    pipeline = model.pipeline.with_face_reader(reader)
    progress = NodeProgress(clip.frame_count * pipeline.engine.steps_per_frame(sampling))
    return pipeline.stream(
        pipeline.source_to_device(source.codes),
        clip.frames,
        options,
        float(clip.frame_rate),
        sampling.num_inference_steps,
        sampling.scheduler,
        chunk_size,
        model.hooks(progress),
    )
