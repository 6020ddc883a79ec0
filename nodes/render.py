"""Reenact and Decode: source and poses -> codes, which is cheap -> images and video, the costly step."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import InputImpl, Types, io

from ..diffusionact import images
from .comfy.conversion import to_image
from .comfy.inputs import chosen_sampling, sampling_inputs
from .comfy.model_management import LoadedModel
from .comfy.rendering import condition, render
from .comfy.schema import ESSENTIALS_CATEGORY, CodesSocket, ModelSocket, PoseSocket, SourceSocket, make_schema
from .comfy.values import Codes, Pose, Source


class Reenact(io.ComfyNode):
    """Makes the codes of the source in every pose."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "Reenact",
            display_name="Reenact (DiffusionAct)",
            description="Predicts what the source looks like in every pose. Fast; Decode makes the images. The "
            "source's face shape is kept, also where the pose was made for somebody else.",
            search_aliases=["face reenactment", "animate portrait", "drive face"],
            inputs=[
                ModelSocket.Input("model", tooltip="From Load DiffusionAct; the one that encoded the source."),
                SourceSocket.Input("source", tooltip="From Encode Source or Load Source."),
                PoseSocket.Input("pose", tooltip="From Extract Pose, Edit Pose or Load Pose."),
            ],
            outputs=[CodesSocket.Output("codes", tooltip="For Decode.")],
        )

    @classmethod
    def execute(cls, model: LoadedModel, source: Source, pose: Pose) -> io.NodeOutput:
        """Make all codes."""
        model.check(source.fingerprint, source.codes.coefficients.face_model, "a source")
        conditioning = condition(model, source, pose.rows)
        return io.NodeOutput(Codes(conditioning, source.codes_hash, source.fingerprint, pose.timing))


class Decode(io.ComfyNode):
    """Renders the reenacted source."""

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
        cls,
        model: LoadedModel,
        source: Source,
        codes: Codes,
        preset: str,
        steps: int,
        scheduler: str,
        chunk_size: int,
        audio: dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        """Render all frames."""
        for fingerprint, what in ((source.fingerprint, "a source"), (codes.fingerprint, "codes")):
            model.check(fingerprint, source.codes.coefficients.face_model, what)
        codes.check(source)
        sampling = chosen_sampling(model.pipeline.engine, preset, steps, scheduler)
        chunks = render(model, source, codes, sampling, chunk_size)
        image = to_image(torch.cat([images.model_to_unit(frames) for frames in chunks]))
        sound = audio or codes.timing.audio
        parts = Types.VideoComponents(images=image, audio=sound, frame_rate=codes.timing.frame_rate)
        return io.NodeOutput(image, InputImpl.VideoFromComponents(parts))


NODES: list[type[io.ComfyNode]] = [Reenact, Decode]
