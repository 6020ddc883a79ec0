"""What all tabs share: the model, the limits, the visitors' folders, and the calls that need the GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from diffusionact.face.pose.editing import PoseEdit
from diffusionact.generation import Sampling

from .jobs import JobProgress
from .previews import Previews
from .rendering import VideoJob, gpu_work, render
from .sessions import Sessions
from .settings import Limits
from .shared_model import EditedSource, SharedModel
from .zero_gpu import duration, on_gpu


@dataclass(frozen=True)
class Context:
    """What the tabs work with.

    Attributes:
        model: what all visitors share.
        limits: what a visitor may ask for.
        sessions: folders for results.
        animate: renders a job of any kind.
        edit: (source photo, face, sliders, sampling) -> images before and after.
        previews: the same at once and small, by geometry.
    """

    model: SharedModel
    limits: Limits
    sessions: Sessions
    animate: Callable[[VideoJob], Iterator[JobProgress]]
    edit: Callable[[Path, str | int, PoseEdit, Sampling], EditedSource]
    previews: Previews


def make_context(model: SharedModel, limits: Limits, sessions: Sessions) -> Context:
    """Bind the model to the calls that need the GPU."""

    def seconds_to_animate(job: VideoJob) -> int:
        return duration(*gpu_work(model, job))

    def seconds_to_edit(source: Path, face: str | int, edit: PoseEdit, sampling: Sampling) -> int:
        encode_steps = 0 if model.is_encoded(source, face) else model.encode_steps
        return duration(1, model.steps_per_frame(sampling), encode_steps)

    @on_gpu(seconds_to_animate)
    def run(job: VideoJob) -> Iterator[JobProgress]:
        yield from render(model, job)

    @on_gpu(seconds_to_edit)
    def edit_source(source: Path, face: str | int, edit: PoseEdit, sampling: Sampling) -> EditedSource:
        return model.edit(source, face, edit, sampling)

    return Context(model, limits, sessions, run, edit_source, Previews(model))
