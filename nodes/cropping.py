"""Change Crop and Cut Out: another square around a face, with a preview; and the person without the background."""

from __future__ import annotations

from comfy_api.latest import io, ui
from torch import Tensor

from ..diffusionact import images
from ..diffusionact.face.geometry.crop_change import MAX_SCALE, MAX_SHIFT, MAX_TURN_DEG, MIN_SCALE, CropChange
from ..diffusionact.pipelines.crop_preview import crop_preview
from .comfy.conversion import one_frame, to_image
from .comfy.cutting import cut_out
from .comfy.face_reading import make_reader, tracker_input
from .comfy.inputs import SOURCE_FACES, chosen_face, face_inputs, slider
from .comfy.schema import CropSocket, PoseSocket, SourceSocket, make_schema
from .comfy.values import Pose, Source

# name, default, min, max, step, tooltip
CHANGES = (
    ("scale", 1.0, MIN_SCALE, MAX_SCALE, 0.05, "Size of the square, as a factor: above 1 shows more around the face."),
    ("right", 0.0, -MAX_SHIFT, MAX_SHIFT, 0.01, "Moves the square to the right, a share of its side."),
    ("up", 0.0, -MAX_SHIFT, MAX_SHIFT, 0.01, "Moves the square up, a share of its side."),
    (
        "rotate",
        0.0,
        -MAX_TURN_DEG,
        MAX_TURN_DEG,
        1.0,
        "Turns the square clockwise, degrees: the face leans the other way.",
    ),
)


class ChangeCrop(io.ComfyNode):
    """Says how the square around a face is changed, and shows it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "ChangeCrop",
            display_name="Change Crop (DiffusionAct)",
            description="Scales, moves and turns the square that a face is cut out by, for Encode Source or Extract "
            "Pose, and shows it on the image before anything is encoded.",
            search_aliases=["crop preview", "face crop", "crop scale", "shift crop", "rotate crop"],
            inputs=[
                io.Image.Input(
                    "image", tooltip="The source's image, or frames of the driver, of which the first is shown."
                ),
                *face_inputs(SOURCE_FACES, "Which face of the image is shown."),
                *(slider(*change) for change in CHANGES),
                tracker_input(optional=True),
            ],
            outputs=[
                CropSocket.Output("crop", tooltip="For Encode Source or Extract Pose."),
                io.Image.Output("preview", tooltip="The image with the square, a thick line along its upper side."),
                io.Image.Output("cut", tooltip="What lies in the square, 512 pixels."),
            ],
        )

    @classmethod
    def execute(
        cls, image: Tensor, face: str, face_number: int, tracker: str = "open", **change: float
    ) -> io.NodeOutput:
        """Draw the square."""
        changed = CropChange(**change)
        shown = crop_preview(make_reader(tracker), one_frame(image), chosen_face(face, face_number), changed)
        photo, crop = (to_image(images.uint8_to_unit(part[None])) for part in (shown.photo, shown.crop))
        return io.NodeOutput(changed, photo, crop, ui=ui.PreviewImage(photo, cls=cls))


class CutOut(io.ComfyNode):
    """Renders a source of the model photo with alpha."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "CutOut",
            display_name="Cut Out (DiffusionAct)",
            description="Renders a source of the model photo in every pose without its background: the person cut out, "
            "or, of an image with transparent parts, those parts moved along with the face.",
            search_aliases=["alpha", "transparent background", "matte", "remove background", "rgba"],
            inputs=[
                SourceSocket.Input("source", tooltip="Of the model photo, from Encode Source or Load Source."),
                PoseSocket.Input("pose", tooltip="From Extract Pose, Edit Pose, Make Motion or Load Pose."),
                io.Boolean.Input(
                    "whole_image",
                    default=True,
                    tooltip="On: the whole image at its own size. Off: the aligned face, 512 pixels.",
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The colours, also below what is transparent."),
                io.Mask.Output("mask", tooltip="The matte: 1 where something is shown."),
                io.Image.Output("rgba", tooltip="Colours and alpha in one, for Save Image and Save Animated WEBP."),
            ],
        )

    @classmethod
    def execute(cls, source: Source, pose: Pose, whole_image: bool) -> io.NodeOutput:
        """Render all frames."""
        return io.NodeOutput(*cut_out(source, pose, whole_image))


NODES: list[type[io.ComfyNode]] = [ChangeCrop, CutOut]
