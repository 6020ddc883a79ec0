"""Add Detail: faces at the image's own resolution, whatever model made them."""

from __future__ import annotations

from comfy_api.latest import io
from torch import Tensor

from .comfy.full_resolution import detailed_images, resolution_input
from .comfy.schema import PoseSocket, SourceSocket, make_schema
from .comfy.values import Pose, Source


class AddDetail(io.ComfyNode):
    """Enlarges faces with the fine detail of the source's image."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "AddDetail",
            display_name="Add Detail (DiffusionAct)",
            description="Enlarges reenacted faces to the resolution of the source's image, with its own fine detail "
            "where that can be trusted. Works with every model; source and pose must be read with the tracker open.",
            search_aliases=["upscale face", "sharpen face", "high resolution", "restore detail"],
            inputs=[
                io.Image.Input("image", tooltip="The reenacted faces, from Decode."),
                SourceSocket.Input("source", tooltip="The source; it knows the whole image."),
                PoseSocket.Input("pose", tooltip="The pose that Reenact had, one for each face."),
                resolution_input(with_model_size=False),
            ],
            outputs=[
                io.Image.Output("image_out", display_name="image", tooltip="The faces with detail, for Paste Back.")
            ],
        )

    @classmethod
    def execute(cls, image: Tensor, source: Source, pose: Pose, resolution: str) -> io.NodeOutput:
        """Work frame by frame; only the results are all in memory."""
        return io.NodeOutput(detailed_images(image, source, pose, resolution))


NODES: list[type[io.ComfyNode]] = [AddDetail]
