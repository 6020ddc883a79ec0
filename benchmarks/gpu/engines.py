"""Frames a second from file to file for every engine and preset, the official procedure beside them.

The driver is read from a file, its faces are read, frames are made and written as H.264. Loading and the source come
once and are told apart. Of the official procedure only the decoding of one frame after the other in float32 counts,
with its encoder pass: its face reading, which needs the authors' files, would come on top.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from functools import cache, cached_property, partial

import torch
from torch import Tensor

from diffusionact import DiffusionActPipeline, images
from diffusionact.commands.bench import synchronise
from diffusionact.commands.demo import DEMO_MEDIA
from diffusionact.face.readers.open.reader import OpenFaceReader
from diffusionact.generation import DiffusionEngine, Sampling, preferred_dtype
from diffusionact.generation.conditioning import Conditioning
from diffusionact.generation.directions import DirectionsEngine
from diffusionact.generation.engine import Engine
from diffusionact.generation.registry import load_engine
from diffusionact.generation.sampling import sample
from diffusionact.generation.warp import WarpConfig, WarpEngine
from diffusionact.video import VideoWriter, open_frames

from .machine import seconds_of, tf32
from .networks import copy_of, random_diffusion, random_directions
from .sections import Bench, Case, Row

MEDIA = {True: ("photo.jpg", "photo_driving.mp4"), False: ("source.png", "driving.mp4")}


def cases(bench: Bench) -> Iterator[Case]:
    """The photo, then each diffusion model with its presets, the official procedure, and the directions."""
    sizes = bench.sizes
    photo = Subject(bench, "photo")
    yield Case("photo", partial(from_file_to_file, photo, Sampling()))
    names = (["demo"] if sizes.has_demo else []) + ["random diffusion"]
    for name in names:
        subject = Subject(bench, name)
        for preset, sampling in subject.presets.items():
            yield Case(f"{name}: {preset}", partial(from_file_to_file, subject, sampling))
    yield Case("official procedure, decoding alone", partial(official_procedure, bench))
    yield Case("random directions", partial(from_file_to_file, Subject(bench, "random directions"), Sampling()))


@cache
def open_reader() -> OpenFaceReader:
    """One for all engines."""
    return OpenFaceReader()


class Subject:
    """An engine with its source; both are made when they are first used.

    Args:
        bench: device and sizes.
        name: photo, demo, random diffusion or random directions.
    """

    def __init__(self, bench: Bench, name: str):
        self.bench, self.name = bench, name
        source, driving = MEDIA[name == "photo"]
        self.source_file, self.driving_file = DEMO_MEDIA / source, DEMO_MEDIA / driving
        self.render_seconds = 0.0
        self.encode_seconds = 0.0

    @property
    def presets(self) -> dict[str, Sampling]:
        """Name -> sampling of a diffusion model."""
        return dict(load_engine("demo").presets if self.name == "demo" else self.bench.sizes.presets)

    def _engine(self) -> Engine:
        sizes = self.bench.sizes
        if self.name == "photo":
            return WarpEngine(WarpConfig(sample_size=sizes.photo_size))
        if self.name == "demo":
            return load_engine("demo")
        if self.name == "random directions":
            return DirectionsEngine(random_directions(sizes))
        return DiffusionEngine(random_diffusion(sizes))

    @cached_property
    def pipeline(self) -> DiffusionActPipeline:
        """On the device in its default dtype; the time inside `render` is kept."""
        engine, device = self._engine(), self.bench.device
        pipeline = DiffusionActPipeline(engine, open_reader()).to(device, preferred_dtype(engine, device))
        render = engine.render

        def timed(*arguments: object) -> Tensor:
            synchronise(device)
            begun = time.perf_counter()
            frames = render(*arguments)
            synchronise(device)
            self.render_seconds += time.perf_counter() - begun
            return frames

        engine.render = timed
        return pipeline

    @cached_property
    def source(self) -> object:
        """The encoded source; how long it took is kept."""
        pipeline, steps = self.pipeline, self.bench.sizes.inversion_steps
        steps = steps if self.name.endswith("diffusion") else None
        begun = time.perf_counter()
        source = pipeline.encode_source(images.load_image(self.source_file), steps)
        synchronise(self.bench.device)
        self.encode_seconds = time.perf_counter() - begun
        return source


def from_file_to_file(subject: Subject, sampling: Sampling) -> Row:
    """One clip after another that warms up."""
    sizes = subject.bench.sizes
    _reenact(subject, sampling, sizes.chunk)
    subject.render_seconds = 0.0
    begun = time.perf_counter()
    _reenact(subject, sampling, sizes.frames)
    seconds = time.perf_counter() - begun
    return {
        "frames_per_second": sizes.frames / seconds,
        "render_share": subject.render_seconds / seconds,
        "encode_seconds": subject.encode_seconds,
        "side_px": subject.pipeline.sample_size,
    }


def _reenact(subject: Subject, sampling: Sampling, count: int) -> None:
    source, pipeline = subject.source, subject.pipeline
    driving = open_frames(subject.driving_file)
    frames = itertools.islice(iter(driving), count)
    steps, scheduler, chunk = sampling.num_inference_steps, sampling.scheduler, subject.bench.sizes.chunk
    stream = pipeline.stream(
        source, frames, frame_rate=float(driving.frame_rate), num_inference_steps=steps, scheduler=scheduler,
        chunk_size=chunk,
    )  # fmt: skip
    size, path = pipeline.sample_size, subject.bench.folder / f"{subject.name}.mp4"
    with VideoWriter(path, driving.frame_rate, (size, size)) as writer:
        for frame in stream:
            writer.write(images.model_to_uint8(frame.image)[0].cpu())


@torch.inference_mode()
def official_procedure(bench: Bench) -> Row:
    """One frame as the official code decodes it: batch 1, float32, 20 steps of DDIM, no other memory format."""
    sizes, device = bench.sizes, bench.device
    components = random_diffusion(sizes)
    unet = copy_of(components.unet, device, torch.float32, torch.contiguous_format)
    encoder, scheduler = components.reenactment_encoder.eval().to(device), components.scheduler
    random = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, sizes.image, sizes.image, generator=random).to(device)

    def model(x_t: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        return unet(x_t, timestep, **conditioning.tensors).sample

    def frame() -> Tensor:
        conditioning = Conditioning({"semantic_code": encoder(image, image)})
        return sample(model, scheduler, image, conditioning, sizes.official_steps)

    with tf32(False):
        seconds = seconds_of(frame, device, 1)
    return {"frames_per_second": 1 / seconds, "side_px": sizes.image}
