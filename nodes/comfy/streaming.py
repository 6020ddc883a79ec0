"""Driving frames -> a finished video file, chunk after chunk; nothing grows with the length of the clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from torch import Tensor

from ...diffusionact import PoseOptions, images
from ...diffusionact.pipelines.reading_ahead import chunks_ahead
from ...diffusionact.types import FacePose, concatenate
from ...diffusionact.video import VideoWriter
from .driving import DrivingClip
from .face_reading import make_reader, read_poses
from .model_management import LoadedModel
from .pasting import Pasting
from .progress import Progress, stoppable
from .rendering import predict_codes, render
from .sampling_options import Sampling
from .values import Source


def write_reenactment(
    path: Path,
    model: LoadedModel,
    source: Source,
    clip: DrivingClip,
    options: PoseOptions,
    sampling: Sampling,
    pasting: Pasting | None,
) -> None:
    """Reenact a clip into a file, with its rate and sound.

    Args:
        path: appears when it is complete; nothing stays behind after an error or an interruption.
        model: renders.
        source: is animated.
        clip: drives.
        options: how the clip is read.
        sampling: how frames are rendered.
        pasting: lays the faces over the source's image; None writes the faces alone.

    Raises:
        NoFaceFoundError: see `PoseOptions.missing`.
    """
    reader, progress = make_reader("open"), Progress(sampling.steps * clip.frame_count)
    faces = reader.read(stoppable(clip.frames), options, float(clip.frame_rate))
    poses = read_poses(reader, faces, source, options)
    frames = _frames(model, source, poses, sampling, pasting, progress)
    first = next(frames, None)
    if first is None:
        raise ValueError("Expected a driving video with frames, received none. Check the video before this node.")
    with VideoWriter(path, clip.frame_rate, tuple(first.shape[:2]), audio_from=clip.sound_file()) as writer:
        for frame in chain([first], frames):
            writer.write(frame)


def _frames(
    model: LoadedModel,
    source: Source,
    poses: Iterator[FacePose],
    sampling: Sampling,
    pasting: Pasting | None,
    progress: Progress,
) -> Iterator[Tensor]:
    """Yield uint8 (H, W, 3) frames."""
    for chunk in chunks_ahead(poses, sampling.chunk_size):
        begin, largest = progress.done, 0
        codes = predict_codes(model, source.codes, concatenate(chunk))
        for rendered in render(model, source.codes, codes, sampling, progress):
            largest = max(largest, len(rendered))
            for image in rendered:
                yield _finished(source, image[None], pasting)
        progress.advance_to(begin + len(chunk) * sampling.steps)
        # What was too much for the memory once is not tried again.
        sampling = replace(sampling, chunk_size=largest)


def _finished(source: Source, face: Tensor, pasting: Pasting | None) -> Tensor:
    if pasting is None:
        return images.model_to_uint8(face)[0]
    pasted = pasting.frame(source.image, face.to(pasting.crop.matrix.device), 0)
    return images.unit_to_uint8(pasted)[0].cpu()
