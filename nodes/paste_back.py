"""Paste Back: reenacted faces -> full images."""

from __future__ import annotations

import torch
from comfy_api.latest import io
from torch import Tensor

from ..diffusionact.types import map_tensors
from .comfy.compatibility import make_schema
from .comfy.conversion import to_frames, to_image, to_model, warping_device
from .comfy.originals import check_faces, crop_of
from .comfy.pasting import Pasting
from .comfy.progress import Progress
from .comfy.sockets import SourceSocket
from .comfy.values import Source


class PasteBack(io.ComfyNode):
    """Lays reenacted faces over the image that they were cut from."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "PasteBack",
            display_name="Paste Back (DiffusionAct)",
            description="Lays the reenacted face over the whole image, with a soft border and matched colours. The "
            "face may have been upscaled before.",
            search_aliases=["composite face", "stitch", "uncrop", "blend face"],
            inputs=[
                io.Image.Input("image", tooltip="The reenacted faces, from Decode or from an upscaler after it."),
                SourceSocket.Input("source", tooltip="The source; it knows the whole image and where the face was."),
                io.Float.Input(
                    "feather",
                    default=0.1,
                    min=0.0,
                    max=0.5,
                    step=0.01,
                    tooltip="Width of the soft border, as a share of the face's square.",
                ),
                io.Boolean.Input(
                    "match_colour",
                    default=True,
                    tooltip="Gives the face the brightness and colours of the original.",
                ),
                io.Image.Input(
                    "originals",
                    optional=True,
                    tooltip="Whole images to paste over in place of the source's own: one, or one for each face. "
                    "They may be larger.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Only this part is pasted. Of the size of the whole image, or square over the face.",
                ),
            ],
            outputs=[
                io.Image.Output("image_out", display_name="image", tooltip="The whole images."),
                io.Mask.Output("mask_out", display_name="mask", tooltip="What was pasted."),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        source: Source,
        feather: float,
        match_colour: bool,
        originals: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        """Paste every frame; only the results are all in memory."""
        device = warping_device()
        full = source.image[None] if originals is None else originals
        check_faces(full, image)
        crop = map_tensors(crop_of(source, full), lambda tensor: tensor.to(device))
        pasting, progress = Pasting(crop, feather, match_colour, mask), Progress(len(image))
        results = to_image(torch.empty(len(image), *full.shape[1:3], 3))
        shares = to_image(torch.empty(len(image), *full.shape[1:3]))
        for index in range(len(image)):
            frame = full[min(index, len(full) - 1)][None]
            frame = frame[0] if frame.dtype == torch.uint8 else to_frames(frame)[0]
            face = to_model(image[index : index + 1], device)
            results[index : index + 1] = pasting.frame(frame, face, index)
            shares[index : index + 1] = pasting.share(frame, face, index)
            progress.advance_to(index + 1)
        return io.NodeOutput(results, shares)
