"""Save and load sources and poses: files without program code. A pose fits any source, a source its own model."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io, ui

from ..diffusionact import FacePose, SourceCodes, images
from ..diffusionact.data.saved_values import (
    FRAME_RATE_NOTE,
    Attachments,
    frame_rate_of,
    load_attachments,
    load_value,
    save_value,
)
from ..diffusionact.face.pose.extraction import LandmarkFrame
from .comfy.conversion import to_image
from .comfy.face_reading import draw
from .comfy.pasting import crop_mask
from .comfy.saved_files import file_fingerprint, file_input, new_file, prefix_input, problem_with_file, saved_path
from .comfy.schema import PoseSocket, SourceSocket, make_schema
from .comfy.values import STILL_FRAME_RATE, Pose, Source, Timing

# Names of what a file holds beside its value.
SAMPLE_RATE, WAVEFORM = "sample_rate", "waveform"
IMAGE, ALPHA, LANDMARK_FRAME = "picture", "alpha", "landmark_frame"


class SavePose(io.ComfyNode):
    """Writes poses with the driver's frame rate."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "SavePose",
            display_name="Save Pose (DiffusionAct)",
            description="Saves poses as a safetensors file, with the driver's frame rate. They can be used with any "
            "source.",
            search_aliases=["store motion", "export motion template", "save driving"],
            is_output_node=True,
            inputs=[
                PoseSocket.Input("pose", tooltip="From Extract Pose or Edit Pose."),
                prefix_input("pose"),
                io.Boolean.Input("with_audio", default=False, tooltip="Put the driver's sound into the file, too."),
            ],
            outputs=[],
        )

    @classmethod
    def execute(cls, pose: Pose, filename_prefix: str, with_audio: bool) -> io.NodeOutput:
        """Write the file."""
        path, sound = new_file(filename_prefix), pose.timing.audio if with_audio else None
        notes = {FRAME_RATE_NOTE: str(pose.timing.frame_rate)}
        if sound is not None:
            notes[SAMPLE_RATE] = str(sound["sample_rate"])
        save_value(pose.rows, path, notes=notes, attached={WAVEFORM: sound["waveform"]} if sound else None)
        return io.NodeOutput(ui=ui.PreviewText(str(path)))


class LoadPose(io.ComfyNode):
    """Reads what Save Pose wrote."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "LoadPose",
            display_name="Load Pose (DiffusionAct)",
            description="Loads saved poses. Reenact redraws them with the face shape of your source.",
            search_aliases=["import motion", "motion template", "load driving"],
            inputs=[file_input("pose")],
            outputs=[
                PoseSocket.Output("pose", tooltip="For Edit Pose or Reenact."),
                io.Image.Output("landmark_map", tooltip="The poses as a drawing, on the face they were made for."),
            ],
        )

    @classmethod
    def validate_inputs(cls, file: str | None = None) -> bool | str:
        """A plain message where the file is not there; ComfyUI itself tells of an input that is missing."""
        return problem_with_file(file) or True

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None) -> str:
        """Changes when the file changes."""
        return file_fingerprint(file)

    @classmethod
    def execute(cls, file: str) -> io.NodeOutput:
        """Read the file."""
        path = saved_path(file)
        rows = load_value(path, FacePose)
        pose = Pose(rows, _timing(load_attachments(path), path))
        maps = to_image(draw(rows))
        return io.NodeOutput(pose, maps, ui=ui.PreviewImage(maps[:1], cls=cls))


def _timing(attached: Attachments, path: Path) -> Timing:
    """Rate and sound beside saved poses."""
    rate, audio = frame_rate_of(attached, path) or STILL_FRAME_RATE, None
    if (waveform := attached.tensors.get(WAVEFORM)) is not None:
        noted = attached.notes.get(SAMPLE_RATE)
        if waveform.ndim != 3 or not waveform.is_floating_point() or not str(noted).isdecimal() or not int(noted):
            raise ValueError(
                f"Expected sound of shape (1, channels, samples) with its sample rate, received {path} with "
                f"{tuple(waveform.shape)} and {noted!r}. Make the file again."
            )
        audio = {"waveform": waveform, "sample_rate": int(noted)}
    return Timing(rate, audio)


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
        attached = {IMAGE: source.image} | ({} if source.alpha is None else {ALPHA: source.alpha})
        save_value(source.codes, path, source.fingerprint, notes, attached)
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
    def validate_inputs(cls, file: str | None = None) -> bool | str:
        """A plain message where the file is not there; ComfyUI itself tells of an input that is missing."""
        return problem_with_file(file) or True

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None) -> str:
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
        source = Source(codes, attached.tensors[IMAGE], attached.model, frame, attached.tensors.get(ALPHA))
        aligned = to_image(images.model_to_unit(codes.image))
        return io.NodeOutput(source, aligned, to_image(crop_mask(source)), ui=ui.PreviewImage(aligned, cls=cls))


NODES: list[type[io.ComfyNode]] = [SavePose, LoadPose, SaveSource, LoadSource]
