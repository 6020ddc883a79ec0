"""What all tabs share: the engine, the limits, the visitors' folders, and the calls that need the GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from diffusionact.face.pose.editing import PoseEdit

from .animation import AnimateJob, Progress, animate
from .engine import EditedSource, Engine, Sampler
from .sessions import Sessions
from .settings import Limits
from .zero_gpu import duration, on_gpu


@dataclass(frozen=True)
class Context:
    """What the tabs work with.

    Attributes:
        engine: the model.
        limits: what a visitor may ask for.
        sessions: folders for results.
        animate: renders a job.
        edit: (source image, face, sliders, sampler) -> images before and after.
    """

    engine: Engine
    limits: Limits
    sessions: Sessions
    animate: Callable[[AnimateJob], Iterator[Progress]]
    edit: Callable[[Path, str | int, PoseEdit, Sampler], EditedSource]


def make_context(engine: Engine, limits: Limits, sessions: Sessions) -> Context:
    """Bind the engine to the calls that need the GPU."""

    def seconds_to_animate(job: AnimateJob) -> int:
        return duration(job.total, job.steps, engine.inversion_steps)

    def seconds_to_edit(source: Path, face: str | int, edit: PoseEdit, sampler: Sampler) -> int:
        return duration(1, sampler[1], 0 if engine.is_encoded(source, face) else engine.inversion_steps)

    @on_gpu(seconds_to_animate)
    def run(job: AnimateJob) -> Iterator[Progress]:
        yield from animate(engine, job)

    @on_gpu(seconds_to_edit)
    def edit_source(source: Path, face: str | int, edit: PoseEdit, sampler: Sampler) -> EditedSource:
        return engine.edit(source, face, edit, sampler)

    return Context(engine, limits, sessions, run, edit_source)
