"""The kinds of jobs that end in videos: how each is rendered, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator

from .animation import AnimateJob, animate
from .clip_job import ClipJob, animate_clip
from .group_job import GroupJob, animate_group
from .jobs import JobProgress
from .shared_model import SharedModel

VideoJob = AnimateJob | ClipJob | GroupJob


def render(model: SharedModel, job: VideoJob) -> Iterator[JobProgress]:
    """Render a job of any kind, reporting its progress."""
    if isinstance(job, ClipJob):
        return animate_clip(model, job)
    return animate_group(model, job) if isinstance(job, GroupJob) else animate(model, job)


def estimate(model: SharedModel, job: VideoJob) -> float:
    """Seconds that a job will take."""
    if isinstance(job, ClipJob):
        return model.estimate_clip(job.total * job.face_count, job.sampling, job.moves_heads)
    if isinstance(job, GroupJob):
        return model.estimate_group(job.total, len(job.drivers), job.sampling)
    return model.estimate(job.total, job.sampling, model.is_encoded(job.source, job.source_face, job.source_crop))


def gpu_work(model: SharedModel, job: VideoJob) -> tuple[int, int, int]:
    """Frames, steps of the engine for each, and steps before the first: what a GPU is asked for."""
    steps = model.steps_per_frame(job.sampling)
    if isinstance(job, ClipJob):
        return job.total * job.face_count, model.source_frame_steps(job.sampling), 0
    if isinstance(job, GroupJob):
        return job.total * len(job.drivers), steps, model.encode_steps * len(job.drivers)
    return job.total, steps, model.encode_steps
