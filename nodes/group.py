"""Reenact Group: several faces of one image, each with a clip or a motion of its own."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import InputImpl, io, ui
from torch import Tensor

from ..diffusionact.motion import PRESETS
from ..diffusionact.pipelines.source_video import ENDS
from .comfy.conversion import one_frame
from .comfy.face_reading import make_reader, tracker_input
from .comfy.group import CLIPS, GroupPlan, group_video
from .comfy.inputs import chosen_sampling, sampling_inputs
from .comfy.model_management import LoadedModel
from .comfy.schema import ModelSocket, make_schema
from .comfy.video import temporary_video, write_video


class ReenactGroup(io.ComfyNode):
    """All faces of an image in one pass; memory does not grow with the length of the video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "ReenactGroup",
            display_name="DiffusionAct Reenact Group",
            description="Moves several faces of one image, each by a video or a motion of its own, and lays them back "
            "in one pass. Faces that are not named stay.",
            search_aliases=["multiple faces", "group photo", "two people", "choir"],
            is_output_node=True,
            inputs=[
                ModelSocket.Input("model", tooltip="From Load DiffusionAct; photo is the one for this."),
                io.Image.Input("image", tooltip="The image with the faces."),
                io.String.Input(
                    "faces",
                    default="0 = laugh\n1 = nod",
                    multiline=True,
                    tooltip="A line for each face: a number (0 is the largest), a point X,Y in pixels, or all; then = "
                    f"and {', '.join(CLIPS)}, or a motion: {', '.join(PRESETS)}.",
                ),
                io.Float.Input(
                    "seconds",
                    default=4.0,
                    min=0.0,
                    max=600.0,
                    step=0.1,
                    tooltip="Length of the video. 0 takes that of the clips, or 4 seconds.",
                ),
                io.Float.Input(
                    "frame_rate",
                    default=25.0,
                    min=1.0,
                    max=120.0,
                    step=0.001,
                    tooltip="Frames per second where only motions drive; else the first clip's.",
                ),
                io.Combo.Input(
                    "driver_end",
                    options=list(ENDS),
                    default="hold",
                    tooltip="Where a clip is shorter: stop there, hold its last face, begin again, or go back and "
                    "forth.",
                ),
                *sampling_inputs()[:3],
                *(
                    io.Video.Input(name, optional=True, tooltip=f"A clip, named {name} in the lines of faces.")
                    for name in CLIPS
                ),
                tracker_input(optional=True),
            ],
            outputs=[io.Video.Output("video", tooltip="The moving image, a file in the temporary folder.")],
        )

    @classmethod
    def execute(
        cls,
        model: LoadedModel,
        image: Tensor,
        faces: str,
        seconds: float,
        frame_rate: float,
        driver_end: str,
        preset: str,
        steps: int,
        scheduler: str,
        tracker: str = "open",
        **clips: Any,
    ) -> io.NodeOutput:
        """Write frame after frame into a file."""
        sampling = chosen_sampling(model.pipeline.engine, preset, steps, scheduler)
        plan = GroupPlan.of(faces, clips, seconds, frame_rate, driver_end)
        frames = group_video(model, make_reader(tracker), one_frame(image), plan, sampling)
        path = temporary_video()
        write_video(path, frames, plan.sound)
        shown = ui.SavedResult(path.name, "", io.FolderType.temp)
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), ui=ui.PreviewVideo([shown]))


NODES: list[type[io.ComfyNode]] = [ReenactGroup]
