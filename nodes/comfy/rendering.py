"""Codes and frames out of poses, in chunks, on ComfyUI's device; everything comes back to the CPU."""

from __future__ import annotations

from collections.abc import Iterator

import comfy.model_management
import torch
from torch import Tensor

from ...diffusionact.types import FacePose, SourceCodes, map_tensors
from .chunks import in_chunks
from .face_reading import reader_of
from .model_management import LoadedModel
from .progress import Progress, WatchedScheduler
from .sampling_options import Sampling

ENCODER_CHUNK_SIZE = 16


def predict_codes(model: LoadedModel, source: SourceCodes, pose: FacePose, progress: Progress | None = None) -> Tensor:
    """Semantic codes (F, D) of the source in every pose; one step of progress a frame, where it is wanted."""
    pipeline = model.on_device(ENCODER_CHUNK_SIZE).with_faces(reader_of(source.coefficients))
    on_device = map_tensors(source, lambda tensor: tensor.to(pipeline.device))

    def work(rows: slice) -> Tensor:
        part = pipeline.fit_pose(source, map_tensors(pose, lambda tensor: tensor[rows]))
        codes = pipeline.reenact(on_device, part).cpu()
        if progress is not None:
            progress.advance_to(rows.stop)
        return codes

    return torch.cat(list(in_chunks(work, len(pose.found), ENCODER_CHUNK_SIZE, free_memory)))


def render(
    model: LoadedModel, source: SourceCodes, semantic_codes: Tensor, sampling: Sampling, progress: Progress
) -> Iterator[Tensor]:
    """Yield images (n, 3, H, W) in [-1, 1], chunk after chunk; `steps` steps of progress a frame."""
    pipeline = model.on_device(sampling.chunk_size)
    source = map_tensors(source, lambda tensor: tensor.to(pipeline.device))
    scheduler = WatchedScheduler(sampling.make_scheduler(pipeline), progress)
    begin = progress.done

    def work(rows: slice) -> Tensor:
        progress.advance_to(begin + rows.start * sampling.steps)
        codes = semantic_codes[rows].to(pipeline.device)
        return pipeline.decode(source, codes, sampling.steps, scheduler, len(codes)).cpu()

    return in_chunks(work, len(semantic_codes), sampling.chunk_size, free_memory)


def free_memory() -> None:
    """Give what nobody uses any more back to the device."""
    comfy.model_management.soft_empty_cache()
