"""Save Source and Load Source: an expensive encode is done once and shared as a file."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..diffusionact import SourceCodes, images
from ..diffusionact.data.saved_values import load_attachments, load_value, save_value
from ..diffusionact.face.pose.extraction import LandmarkFrame
from .comfy.compatibility import make_schema
from .comfy.conversion import to_image
from .comfy.pasting import crop_mask
from .comfy.saved_files import file_fingerprint, file_input, new_file, prefix_input, problem_with_file, saved_path
from .comfy.sockets import SourceSocket
from .comfy.values import Source

IMAGE, LANDMARK_FRAME = "picture", "landmark_frame"


class SaveSource(io.ComfyNode):
    """Writes an encoded source with its image."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "SaveSource",
            display_name="Save Source (DiffusionAct)",
            description="Saves an encoded source as a safetensors file. The file holds the whole image, too.",
            search_aliases=["store source", "export source", "cache source"],
            is_output_node=True,
            inputs=[
                SourceSocket.Input("source", tooltip="From Encode Source."),
                prefix_input("source"),
            ],
            outputs=[],
        )

    @classmethod
    def execute(cls, source: Source, filename_prefix: str) -> io.NodeOutput:
        """Write the file."""
        path = new_file(filename_prefix)
        notes = {LANDMARK_FRAME: source.landmark_frame.name}
        save_value(source.codes, path, source.fingerprint, notes, {IMAGE: source.image})
        return io.NodeOutput(ui=ui.PreviewText(str(path)))


class LoadSource(io.ComfyNode):
    """Reads what Save Source wrote."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "LoadSource",
            display_name="Load Source (DiffusionAct)",
            description="Loads an encoded source. It works with the model that encoded it.",
            search_aliases=["import source", "open source"],
            inputs=[file_input("source")],
            outputs=[
                SourceSocket.Output("source", tooltip="The encoded source."),
                io.Image.Output("aligned", tooltip="The face as the model sees it."),
                io.Mask.Output("mask", tooltip="Where the face was cut out of the image."),
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str | None) -> bool | str:
        """A plain message where the file is not there."""
        return problem_with_file(file) or True

    @classmethod
    def fingerprint_inputs(cls, file: str | None) -> str:
        """Changes when the file changes."""
        return file_fingerprint(file)

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        """Read the file."""
        path = saved_path(file)
        codes = load_value(path, SourceCodes)
        attached = load_attachments(path)
        if IMAGE not in attached.tensors or LANDMARK_FRAME not in attached.notes:
            raise ValueError(
                f"Expected a source with its whole image, received {path}, which was saved without. Encode the "
                "image with Encode Source and save it with Save Source."
            )
        frame = LandmarkFrame(attached.notes[LANDMARK_FRAME], codes.image.shape[-1])
        source = Source(codes, attached.tensors[IMAGE], attached.model, frame)
        aligned = to_image(images.model_to_unit(codes.image))
        return io.NodeOutput(source, aligned, to_image(crop_mask(source)), ui=ui.PreviewImage(aligned, cls=cls))
