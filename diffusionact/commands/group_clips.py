"""`diffusionact reenact CLIP --drive`: several faces of a clip, each with a driver of its own."""

from __future__ import annotations

import argparse

from ..face.pose.editing import PoseMix
from ..generation import Sampling
from ..pipelines import DiffusionActPipeline
from ..pipelines.group_clip import OWN, ClipCast, stream_group_clip
from ..pipelines.source_video import FrameDriver, FrameEdit, no_driver
from ..video import FrameSource, open_frames
from .groups import check_options, is_motion
from .loading import load_pipeline, pose_options
from .source_videos import (
    ClipSound,
    driver_of_clip,
    driver_of_motion,
    open_source,
    taken_parts,
    tell_cost,
    write_clip,
)


def run(options: argparse.Namespace) -> None:
    """Move the faces of the clip `options.source` into `options.output`.

    Raises:
        ValueError: for unusable input or options.
        FileNotFoundError: for missing files or weights.
        OSError: if the output cannot be written.
    """
    check_options(options)
    edit, mix = FrameEdit(options.eye_contact, options.blink, options.mouth), taken_parts(options.take)
    source, sampling = open_source(options), Sampling(options.steps, options.scheduler)
    pipeline = load_pipeline(options)
    pipeline.engine.check_sampling(sampling)
    cast = ClipCast.of(pipeline, next(iter(source)), options.drive)
    clips = {
        name: open_frames(name, options.start, options.end, source.frame_rate, keep_damaged=True)
        for name in cast.drivers
        if name != OWN and not is_motion(name)
    }
    sound = ClipSound.of(options, source, next(iter(clips.values()), None), mix)
    drivers = {name: _driver(options, pipeline, source, name, clips.get(name), mix) for name in cast.drivers}
    tell_cost(options, pipeline, source, sampling)
    frames = stream_group_clip(
        pipeline,
        source,
        cast,
        drivers,
        pose_options(options),
        float(source.frame_rate),
        edit,
        sampling,
        options.inversion_steps,
        keeps_head=not (clips and mix.head) and not any(map(is_motion, cast.drivers)),
        stillness=sound.stillness(options, source),
    )
    write_clip(options, source, sound, frames)


def _driver(
    options: argparse.Namespace,
    pipeline: DiffusionActPipeline,
    source: FrameSource,
    name: str,
    clip: FrameSource | None,
    mix: PoseMix,
) -> FrameDriver:
    if clip is not None:
        return driver_of_clip(options, pipeline, source, clip, mix)
    return no_driver() if name == OWN else driver_of_motion(options, pipeline, source, name)
