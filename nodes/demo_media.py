"""Demo Media: the bundled image and clip, so that every template runs before anything is uploaded."""

from __future__ import annotations

from itertools import islice

import torch
from comfy_api.latest import InputImpl, Types, io

from ..diffusionact import images
from ..diffusionact.video import open_frames
from ..diffusionact.weights import DEMO_FOLDER
from .comfy.compatibility import make_schema
from .comfy.conversion import to_image

MEDIA = DEMO_FOLDER.parent / "media"
FRAMES = 100


class DemoMedia(io.ComfyNode):
    """A synthetic person to animate, and a synthetic driver."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "DemoMedia",
            display_name="Demo Media (DiffusionAct)",
            description="The bundled image and driving clip, free to use. For your own, put Load Image and Load "
            "Video in its place.",
            search_aliases=["example image", "example video", "sample media"],
            inputs=[
                io.Int.Input(
                    "frames",
                    default=50,
                    min=1,
                    max=FRAMES,
                    step=1,
                    tooltip="How much of the clip is used; 25 frames are a second. Fewer are done sooner.",
                ),
            ],
            outputs=[
                io.Image.Output("source", tooltip="The person to animate, 256 pixels."),
                io.Video.Output("driving", tooltip="The clip that drives, 256 pixels, without sound."),
            ],
        )

    @classmethod
    def execute(cls, frames: int) -> io.NodeOutput:
        """Read the files."""
        image = images.load_image(MEDIA / "source.png")
        clip = open_frames(MEDIA / "driving.mp4")
        batch = to_image(images.uint8_to_unit(torch.stack(list(islice(clip, frames)))))
        video = InputImpl.VideoFromComponents(Types.VideoComponents(images=batch, frame_rate=clip.frame_rate))
        return io.NodeOutput(to_image(images.uint8_to_unit(image[None])), video)
