"""Save Pose and Load Pose: poses as files that hold no program code and fit any source."""

from __future__ import annotations

from fractions import Fraction

from comfy_api.latest import io, ui

from ..diffusionact import FacePose
from ..diffusionact.data.saved_values import load_attachments, load_value, save_value
from .comfy.compatibility import make_schema
from .comfy.conversion import to_image
from .comfy.face_reading import draw
from .comfy.saved_files import file_fingerprint, file_input, new_file, prefix_input, problem_with_file, saved_path
from .comfy.sockets import PoseSocket
from .comfy.values import STILL_FRAME_RATE, Pose, Timing

FRAME_RATE, SAMPLE_RATE, WAVEFORM = "frame_rate", "sample_rate", "waveform"


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
        notes = {FRAME_RATE: str(pose.timing.frame_rate)}
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
        rows = load_value(saved_path(file), FacePose)
        attached = load_attachments(saved_path(file))
        rate = Fraction(attached.notes.get(FRAME_RATE, STILL_FRAME_RATE))
        audio = None
        if WAVEFORM in attached.tensors:
            audio = {"waveform": attached.tensors[WAVEFORM], "sample_rate": int(attached.notes[SAMPLE_RATE])}
        maps = to_image(draw(rows))
        return io.NodeOutput(Pose(rows, Timing(rate, audio)), maps, ui=ui.PreviewImage(maps[:1], cls=cls))
