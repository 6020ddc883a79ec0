"""Reenact Clip: a VIDEO as the source, whose frames keep head, light and background and take a driver's expression."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import InputImpl, io, ui

from ..diffusionact.motion import PRESETS
from ..diffusionact.pipelines.source_video import ENDS
from .comfy.clip_inputs import several_faces_inputs, silence_inputs
from .comfy.face_reading import make_reader, tracker_input
from .comfy.inputs import chosen_sampling, sampling_inputs
from .comfy.model_management import LoadedModel
from .comfy.schema import ESSENTIALS_CATEGORY, ModelSocket, make_schema
from .comfy.source_video import DRIVERS, NO_MOTION, PARTS, SOUNDS, ClipChanges, ClipPlan, reenacted_clip
from .comfy.video import temporary_video, write_video


class ReenactClip(io.ComfyNode):
    """Video to video; memory does not grow with the length of the clip."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "ReenactClip",
            display_name="DiffusionAct Reenact Clip",
            description="Changes the face in a video, or several: every frame keeps its own head, light and background "
            "and takes the driver's expression, or only lips, eyes or gaze. Works frame by frame, in flat memory.",
            search_aliases=["video to video", "lip sync", "dubbing", "eye contact", "expression transfer"],
            essentials_category=ESSENTIALS_CATEGORY,
            is_output_node=True,
            inputs=[
                ModelSocket.Input("model", tooltip="From Load DiffusionAct; photo is the one for this."),
                io.Video.Input("clip", tooltip="The video whose face is changed."),
                *(
                    io.Boolean.Input(f"take_{part}", default=part != "head", tooltip=f"Take {words} of the driver.")
                    for part, words in PARTS.items()
                ),
                io.Boolean.Input(
                    "relative_motion",
                    default=False,
                    tooltip="On: the driver's change since its first frame is added to each frame's own expression.",
                ),
                io.Combo.Input(
                    "driver_end",
                    options=list(ENDS),
                    default="stop",
                    tooltip="Where the driver is shorter: stop there, hold its last face, begin again, or go back and "
                    "forth.",
                ),
                io.Combo.Input(
                    "sound",
                    options=list(SOUNDS),
                    default="auto",
                    tooltip="Whose sound. auto is the driver's where its lips are taken, else the clip's.",
                ),
                _factor("eye_contact", 0.0, 1.0, "How far the eyes turn to the camera."),
                _factor("blink", 1.0, 2.0, "Multiplies how closed the eyes are; shut ones cannot be opened."),
                _factor("mouth", 1.0, 2.0, "Multiplies the mouth's expression; 0 keeps it still."),
                _factor("smoothing", 0.3, 1.0, "Steadies what is read of both faces: 0 is off."),
                *sampling_inputs()[:3],
                io.Video.Input(
                    "driving", optional=True, tooltip="The video that drives; without it only the sliders change."
                ),
                io.Combo.Input(
                    "motion",
                    options=[NO_MOTION, *PRESETS],
                    default=NO_MOTION,
                    optional=True,
                    tooltip="Added to each frame where no video drives; see Make Motion.",
                ),
                tracker_input(optional=True),
                *several_faces_inputs(),
                *silence_inputs(),
            ],
            outputs=[io.Video.Output("video", tooltip="The changed video, a file in the temporary folder.")],
        )

    @classmethod
    def execute(
        cls,
        model: LoadedModel,
        clip: io.Video.Type,
        preset: str,
        steps: int,
        scheduler: str,
        sound: str,
        driving: io.Video.Type | None = None,
        motion: str = NO_MOTION,
        tracker: str = "open",
        faces: str = "",
        driving_2: io.Video.Type | None = None,
        driving_3: io.Video.Type | None = None,
        **changes: Any,
    ) -> io.NodeOutput:
        """Write frame after frame into a file."""
        sampling = chosen_sampling(model.pipeline.engine, preset, steps, scheduler)
        videos = dict(zip(DRIVERS, (driving, driving_2, driving_3), strict=True))
        plan = ClipPlan.of(clip, videos, motion, faces, ClipChanges(**changes), sound)
        path = temporary_video()
        write_video(path, reenacted_clip(model, make_reader(tracker), plan, sampling), plan.heard)
        shown = ui.SavedResult(path.name, "", io.FolderType.temp)
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), ui=ui.PreviewVideo([shown]))


def _factor(name: str, default: float, most: float, tooltip: str) -> io.Input:
    return io.Float.Input(name, default=default, min=0.0, max=most, step=0.05, tooltip=tooltip)


NODES: list[type[io.ComfyNode]] = [ReenactClip]
