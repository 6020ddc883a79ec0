"""DiffusionAct Reenact Video: an image and a VIDEO -> a VIDEO, frame by frame, in flat memory."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import InputImpl, io, ui
from torch import Tensor

from ..diffusionact.types import map_tensors
from .comfy.compatibility import ESSENTIALS_CATEGORY, make_schema
from .comfy.conversion import one_frame, warping_device
from .comfy.driving import open_driving, temporary_video
from .comfy.encoding import encode
from .comfy.model_management import LoadedModel
from .comfy.motion_options import MOTION_INPUTS, pose_options
from .comfy.pasting import Pasting
from .comfy.sampling_options import Sampling, sampling_inputs
from .comfy.sockets import ModelSocket
from .comfy.streaming import write_reenactment


class ReenactVideo(io.ComfyNode):
    """The whole way in one node; memory does not grow with the length of the video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "ReenactVideo",
            display_name="DiffusionAct Reenact Video",
            description="Animates the face of an image with a driving video. Works frame by frame, so that long "
            "videos need no more memory than short ones; rate and sound are those of the driving video.",
            search_aliases=["animate portrait", "talking head", "face reenactment", "long video"],
            essentials_category=ESSENTIALS_CATEGORY,
            is_output_node=True,
            inputs=[
                ModelSocket.Input("model", tooltip="From Load DiffusionAct."),
                io.Image.Input("image", tooltip="The image of the person to animate."),
                io.Video.Input("driving", tooltip="The video that drives."),
                *sampling_inputs(),
                *MOTION_INPUTS,
                io.Int.Input(
                    "inversion_steps",
                    default=0,
                    min=0,
                    max=1000,
                    step=1,
                    tooltip="Steps of the source's inversion, once. 0 takes the model's own number.",
                ),
                io.Boolean.Input(
                    "paste_back",
                    default=False,
                    tooltip="On: the whole image with the face in it. Off: the face alone.",
                ),
            ],
            outputs=[io.Video.Output("video", tooltip="The reenacted video, a file in the temporary folder.")],
        )

    @classmethod
    def execute(
        cls,
        model: LoadedModel,
        image: Tensor,
        driving: io.Video.Type,
        preset: str,
        steps: int,
        scheduler: str,
        chunk_size: int,
        inversion_steps: int,
        paste_back: bool,
        **motion: Any,
    ) -> io.NodeOutput:
        """Encode, then write frame after frame into a file."""
        clip, sampling = open_driving(driving, 0.0), Sampling.from_inputs(preset, steps, scheduler, chunk_size)
        source = encode(model, one_frame(image), "largest", inversion_steps)
        crop = map_tensors(source.codes.crop, lambda tensor: tensor.to(warping_device()))
        pasting = Pasting(crop) if paste_back else None
        path = temporary_video()
        write_reenactment(path, model, source, clip, pose_options(**motion), sampling, pasting)
        shown = ui.SavedResult(path.name, "", io.FolderType.temp)
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), ui=ui.PreviewVideo([shown]))
