"""Preview Motion: source and poses -> a small clip at once, to look at before Decode makes the images."""

from __future__ import annotations

from comfy_api.latest import InputImpl, Types, io, ui

from ..diffusionact import images
from ..diffusionact.types import map_tensors
from .comfy.conversion import to_image
from .comfy.previewing import previewed
from .comfy.progress import NodeProgress
from .comfy.schema import PoseSocket, SourceSocket, make_schema
from .comfy.values import Pose, Source
from .comfy.video import DrivingClip, temporary_video, write_video


class PreviewMotion(io.ComfyNode):
    """Warps the photo through a clip's poses; no generative model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "PreviewMotion",
            display_name="Preview Motion (DiffusionAct)",
            description="Shows a clip's poses on the source at once, small: a geometry preview, no generative model. "
            "It needs no model; look at it before Decode takes its time.",
            search_aliases=["quick preview", "draft", "fast preview", "look before rendering"],
            is_output_node=True,
            inputs=[
                SourceSocket.Input("source", tooltip="From Encode Source or Load Source, of any model."),
                PoseSocket.Input("pose", tooltip="From Extract Pose, Edit Pose or Load Pose."),
                io.Int.Input(
                    "every_nth",
                    default=2,
                    min=1,
                    max=30,
                    step=1,
                    tooltip="Only every N-th frame is shown, at the same speed; 1 shows all of them.",
                ),
                io.Float.Input(
                    "seconds",
                    default=4.0,
                    min=0.1,
                    max=600.0,
                    step=0.5,
                    tooltip="How much of the clip is shown, from its start.",
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The preview, 256 pixels a side."),
                io.Video.Output("video", tooltip="The same as a clip, without sound."),
            ],
        )

    @classmethod
    def execute(cls, source: Source, pose: Pose, every_nth: int, seconds: float) -> io.NodeOutput:
        """Warp the chosen frames."""
        count = max(1, round(seconds * pose.timing.frame_rate))
        rows = map_tensors(pose.rows, lambda tensor: tensor[:count:every_nth])
        image = to_image(previewed(source, rows, NodeProgress(len(rows.found))))
        rate = pose.timing.frame_rate / every_nth
        path = temporary_video()
        write_video(path, iter(images.unit_to_uint8(image)), DrivingClip((), len(image), rate))
        video = InputImpl.VideoFromComponents(Types.VideoComponents(images=image, frame_rate=rate))
        shown = ui.SavedResult(path.name, "", io.FolderType.temp)
        return io.NodeOutput(image, video, ui=ui.PreviewVideo([shown]))


NODES: list[type[io.ComfyNode]] = [PreviewMotion]
