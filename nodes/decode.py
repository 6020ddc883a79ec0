"""Decode: semantic codes -> images and video; the costly step."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import InputImpl, Types, io

from ..diffusionact import images
from .comfy.compatibility import ESSENTIALS_CATEGORY, make_schema
from .comfy.conversion import to_image
from .comfy.model_management import LoadedModel
from .comfy.progress import Progress
from .comfy.rendering import render
from .comfy.sampling_options import Sampling, sampling_inputs
from .comfy.sockets import CodesSocket, ModelSocket, SourceSocket
from .comfy.values import Codes, Source


class Decode(io.ComfyNode):
    """Renders the reenacted source with the UNet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "Decode",
            display_name="Decode (DiffusionAct)",
            description="Renders the reenacted source. This takes nearly all of the time. All frames are kept in "
            "memory; for long clips use DiffusionAct Reenact Video.",
            search_aliases=["render face", "diffusion decode", "sample face"],
            essentials_category=ESSENTIALS_CATEGORY,
            inputs=[
                ModelSocket.Input("model", tooltip="From Load DiffusionAct; the one that encoded the source."),
                SourceSocket.Input("source", tooltip="The source that the codes were made for."),
                CodesSocket.Input("codes", tooltip="From Reenact."),
                *sampling_inputs(),
                io.Audio.Input("audio", optional=True, tooltip="Sound for the video in place of the driver's."),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The reenacted face, one image for each driving frame."),
                io.Video.Output("video", tooltip="The same at the driver's rate, with its sound."),
            ],
        )

    @classmethod
    def execute(
        cls, model: LoadedModel, source: Source, codes: Codes, audio: dict[str, Any] | None = None, **sampling: Any
    ) -> io.NodeOutput:
        """Render all frames."""
        for fingerprint, what in ((source.fingerprint, "a source"), (codes.fingerprint, "codes")):
            model.check(fingerprint, source.codes.coefficients.face_model, what)
        codes.check(source)
        how = Sampling.from_inputs(**sampling)
        progress = Progress(how.steps * len(codes.semantic_codes))
        chunks = render(model, source.codes, codes.semantic_codes, how, progress)
        image = to_image(torch.cat([images.model_to_unit(frames) for frames in chunks]))
        parts = Types.VideoComponents(
            images=image, audio=audio or codes.timing.audio, frame_rate=codes.timing.frame_rate
        )
        return io.NodeOutput(image, InputImpl.VideoFromComponents(parts))
