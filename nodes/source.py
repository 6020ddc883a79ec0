"""Demo Media and Encode Source: an image -> everything that is computed once per source."""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
from comfy_api.latest import InputImpl, Types, io, ui
from torch import Tensor

from ..diffusionact import images
from ..diffusionact.face.geometry.crop_change import CropChange
from ..diffusionact.video import open_frames
from ..diffusionact.weights import DEMO_FOLDER
from .comfy.conversion import to_image
from .comfy.cutting import with_alpha
from .comfy.face_reading import face_in_box, make_reader, tracker_input
from .comfy.inputs import SOURCE_FACES, chosen_face, face_inputs, inversion_steps_input
from .comfy.model_management import LoadedModel
from .comfy.pasting import crop_mask
from .comfy.rendering import encode
from .comfy.schema import CropSocket, ModelSocket, SourceSocket, make_schema

FOLDER = DEMO_FOLDER.parent / "media"
FRAMES = 100
SYNTHETIC, PHOTO = "synthetic heads", "photo"
# Image and driving clip of each choice; the first one is what workflows get that were saved before there was a choice.
MEDIA = {SYNTHETIC: ("source.png", "driving.mp4"), PHOTO: ("photo.jpg", "photo_driving.mp4")}


class DemoMedia(io.ComfyNode):
    """A person to animate, and a driver: rendered heads, or a photo and a clip of AI-generated people."""

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
                    tooltip="How much of the clip is used; 25 frames are one second. Fewer are done sooner.",
                ),
                io.Combo.Input(
                    "media",
                    options=list(MEDIA),
                    default=SYNTHETIC,
                    optional=True,
                    tooltip="synthetic heads are rendered people, for the model demo; photo is a photo and a clip of "
                    "AI-generated people, for the model photo and others for photos.",
                ),
            ],
            outputs=[
                io.Image.Output("source", tooltip="The person to animate: 256 pixels, the photo 400."),
                io.Video.Output(
                    "driving", tooltip="The clip that drives, without sound: 256 pixels, with the photo 350."
                ),
            ],
        )

    @classmethod
    def execute(cls, frames: int, media: str = SYNTHETIC) -> io.NodeOutput:
        """Read the files."""
        source, driving = MEDIA[media]
        image, clip = images.load_image(FOLDER / source), open_frames(FOLDER / driving)
        batch = to_image(images.uint8_to_unit(torch.stack(list(islice(clip, frames)))))
        video = InputImpl.VideoFromComponents(Types.VideoComponents(images=batch, frame_rate=clip.frame_rate))
        return io.NodeOutput(to_image(images.uint8_to_unit(image[None])), video)


class EncodeSource(io.ComfyNode):
    """Finds, aligns and encodes the source's face."""

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
                inversion_steps_input(),
                tracker_input(optional=True),
                io.BoundingBox.Input(
                    "bounding_box",
                    optional=True,
                    force_input=True,
                    tooltip="Takes the face nearest to this box, whatever the choice above.",
                ),
                CropSocket.Input("crop", optional=True, tooltip="From Change Crop: another square around the face."),
                io.Mask.Input(
                    "transparency",
                    optional=True,
                    tooltip="From Load Image: where the image is transparent. With the model photo, Cut Out keeps it.",
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
        crop: CropChange | None = None,
        transparency: Tensor | None = None,
    ) -> io.NodeOutput:
        """Encode the image."""
        (image, alpha), reader = with_alpha(image, transparency), make_reader(tracker)
        choice = chosen_face(face, face_number) if bounding_box is None else face_in_box(reader, image, bounding_box)
        source = encode(model, image, choice, inversion_steps, reader, crop, alpha)
        aligned = to_image(images.model_to_unit(source.codes.image))
        return io.NodeOutput(source, aligned, to_image(crop_mask(source)), ui=ui.PreviewImage(aligned, cls=cls))


NODES: list[type[io.ComfyNode]] = [DemoMedia, EncodeSource]
