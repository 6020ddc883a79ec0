"""From the values of the page's controls, by their names, to jobs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from diffusionact import PoseOptions
from diffusionact.face.geometry.crop_change import UNCHANGED
from diffusionact.face.pose.editing import PoseMix
from diffusionact.pipelines.source_video import FrameEdit
from diffusionact.video import FrameSource

from .animation import AnimateJob
from .checks import check_frames, check_photo, check_video
from .clip_job import ClipJob, taken
from .context import Context
from .crop_panel import crop_change
from .group_job import GroupJob
from .group_panel import OWN, STILL, VIDEO
from .motions import AS_THE_VIDEO, MotionClip, motion_clip
from .rendering import VideoJob
from .source_kinds import CLIP, GROUP, PHOTO


def video_job(context: Context, values: dict[str, Any], folder: Path) -> VideoJob:
    """The job that the Animate tab's controls describe.

    Raises:
        ValueError: if an upload is absent or unusable, or an option is out of range.
    """
    if values["kind"] == CLIP:
        return make_clip_job(context, values, folder)
    if values["kind"] == GROUP:
        return make_group_job(context, values, folder)
    source = check_photo(values["source"], context.limits)
    return make_job(context, values, source, photo_driver(context, values), folder)


def photo_driver(context: Context, values: dict[str, Any]) -> FrameSource | MotionClip:
    """What drives a photo: the video, or the chosen motion in its place.

    Raises:
        ValueError: as for `check_video`.
    """
    if values["motion"] != AS_THE_VIDEO:
        return motion_clip(values["motion"], context.limits.frames)
    return check_video(values["driving"], context.limits, values["start"], values["end"])


def make_job(context: Context, values: dict[str, Any], source: Path, clip: Any, folder: Path) -> AnimateJob:
    """A photo and what drives it.

    Raises:
        ValueError: if an option is out of range.
    """
    return AnimateJob(
        source=source,
        driving=clip,
        source_face=values["source_face"],
        source_crop=crop_change(values, "source"),
        match_colour=values["match_colour"],
        keep_sound=values["keep_sound"],
        output=values.get("output", context.model.outputs[0]),
        **_shared(context, values, folder),
    )


def make_clip_job(context: Context, values: dict[str, Any], folder: Path) -> ClipJob:
    """A clip, and what becomes of it.

    Raises:
        ValueError: if a clip is absent or unusable, an option is out of range, or nothing would change.
    """
    limits = context.limits
    source = check_video(values["clip"], limits, values["clip_start"], values["clip_end"], "source clip")
    motion = None if values["motion"] == AS_THE_VIDEO else values["motion"]
    driving, edit = None, FrameEdit(values["eye_contact"], values["blink"], values["mouth"])
    if motion is None and values["driving"]:
        driving = check_video(values["driving"], limits, values["start"], values["end"], rate=source.frame_rate)
    if motion is None and driving is None and edit == FrameEdit():
        raise ValueError(
            "Expected something to change in the clip, received neither driver nor motion. Upload a driving video, "
            "choose a motion, or move Eye contact, Blinks or Mouth."
        )
    return ClipJob(
        source=source,
        driving=driving,
        motion=motion,
        source_face=values["clip_face"],
        mix=PoseMix() if driving is None else taken(values["take"]),
        driver_end=values["driver_end"],
        edit=edit,
        sound=values["sound"],
        **_shared(context, values, folder),
    )


def make_group_job(context: Context, values: dict[str, Any], folder: Path) -> GroupJob:
    """A photo, and what each of its faces does.

    Raises:
        ValueError: if an upload is unusable, an option is out of range, or no face has a driver.
    """
    source = check_photo(values["source"], context.limits)
    paths: dict[str, str] = {}
    drivers: dict[int, str] = {}
    for face, (what, own) in sorted(values["drivers"].items()):
        path = {VIDEO: values["driving"], OWN: own}.get(what)
        if what in (VIDEO, OWN, STILL) and not path:
            continue
        drivers[face] = path or what
        paths |= {path: path} if path else {}
    if not drivers:
        raise ValueError(
            "Expected a driver for at least one face, received none. Upload a driving video, or click a face and "
            "choose a motion for it."
        )
    return GroupJob(
        source=source,
        drivers=drivers,
        clips=_clips(context, values, paths),
        seconds=values["seconds"] or 0,
        driver_end=values["driver_end"],
        keep_sound=values["keep_sound"],
        **_shared(context, values, folder),
    )


def _clips(context: Context, values: dict[str, Any], paths: dict[str, str]) -> dict[str, FrameSource]:
    """Opened, all at the first one's rate; start and end are those of the driving video, and of it alone."""
    clips: dict[str, FrameSource] = {}
    rate: Fraction | None = None
    for name, path in paths.items():
        part = (values["start"], values["end"]) if path == values["driving"] else (0, 0)
        clips[name] = check_video(path, context.limits, *part, rate=rate, is_constant=True)
        rate = clips[name].frame_rate
    return clips


def _shared(context: Context, values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What all kinds of jobs have."""
    return {
        "folder": folder,
        "options": PoseOptions(
            face=values["driving_face"],
            missing=values["missing"],
            driver_crop="clip" if values["carry_roll"] else "frame",
            relative=values["relative"],
            expression_gain=values["expression_gain"],
            smoothing=values["smoothing"],
            crop_change=crop_change(values, "driving") if values["kind"] == PHOTO else UNCHANGED,
        ),
        "sampling": context.model.sampling(values["quality"]),
        "frames": check_frames(values["frames"], context.limits),
        "feather": values["feather"],
        "output_side_px": context.limits.output_side_px,
    }
