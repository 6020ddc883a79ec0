"""Encode Source: an image -> everything that is computed once per source."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..diffusionact import images
from .comfy.compatibility import make_schema
from .comfy.conversion import one_frame, to_image
from .comfy.encoding import encode
from .comfy.face_choice import SOURCE_FACES, chosen_face, face_in_box, face_inputs
from .comfy.face_reading import make_reader, tracker_input
from .comfy.model_management import LoadedModel
from .comfy.pasting import crop_mask
from .comfy.sockets import ModelSocket, SourceSocket


class EncodeSource(io.ComfyNode):
    """Finds, aligns and inverts the source's face."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "EncodeSource",
            display_name="Encode Source (DiffusionAct)",
            description="Finds the face of the source image and encodes it. This is done once per source; save it "
            "with Save Source.",
            search_aliases=["invert portrait", "source face", "face crop", "ddim inversion"],
            inputs=[
                ModelSocket.Input("model", tooltip="From Load DiffusionAct."),
                io.Image.Input("image", tooltip="The image of the person to animate. Of a batch, the first."),
                *face_inputs(SOURCE_FACES, "Which face of the image is taken."),
                io.Int.Input(
                    "inversion_steps",
                    default=0,
                    min=0,
                    max=1000,
                    step=1,
                    tooltip="Steps of the inversion. 0 takes the model's own number (the paper's is 50). 20 is faster "
                    "and nearly as faithful.",
                ),
                tracker_input(optional=True),
                io.BoundingBox.Input(
                    "bounding_box",
                    optional=True,
                    force_input=True,
                    tooltip="Takes the face nearest to this box, whatever the choice above.",
                ),
            ],
            outputs=[
                SourceSocket.Output("source", tooltip="The encoded source."),
                io.Image.Output("aligned", tooltip="The face as the model sees it."),
                io.Mask.Output("mask", tooltip="Where the face was cut out of the image."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: LoadedModel,
        image: Tensor,
        face: str,
        face_number: int,
        inversion_steps: int,
        tracker: str = "open",
        bounding_box: Any = None,
    ) -> io.NodeOutput:
        """Encode the image."""
        image, reader = one_frame(image), make_reader(tracker)
        choice = chosen_face(face, face_number)
        if bounding_box is not None:
            choice = face_in_box(reader, image, bounding_box)
        source = encode(model, image, choice, inversion_steps, reader)
        aligned = to_image(images.model_to_unit(source.codes.image))
        return io.NodeOutput(source, aligned, to_image(crop_mask(source)), ui=ui.PreviewImage(aligned, cls=cls))
