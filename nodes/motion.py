"""Make Motion: poses without a driving clip, from a bundled motion, keyframes, or idle life alone."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..diffusionact import images
from ..diffusionact.motion import PRESETS, Timeline, draw_curves, load_script, parse_script, script_poses
from .comfy.conversion import to_image
from .comfy.face_reading import join_poses, reader_of
from .comfy.schema import ESSENTIALS_CATEGORY, PoseSocket, SourceSocket, make_schema
from .comfy.values import Pose, Source, Timing


class MakeMotion(io.ComfyNode):
    """Writes poses from a script."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "MakeMotion",
            display_name="Make Motion (DiffusionAct)",
            description="Moves the source without any driving video: a nod, a laugh, talking, or only blinks and "
            "breath. Keyframes of your own go into the text field. The node shows the curves.",
            search_aliases=["keyframes", "idle animation", "blink", "nod", "no driving video", "loop", "talking"],
            essentials_category=ESSENTIALS_CATEGORY,
            inputs=[
                SourceSocket.Input("source", tooltip="From Encode Source or Load Source; its own pose is moved."),
                io.Combo.Input(
                    "motion",
                    options=list(PRESETS),
                    default="idle",
                    tooltip="What happens. All but idle have some idle life, too: blinks, breath, small movements.",
                ),
                io.Float.Input(
                    "seconds",
                    default=4.0,
                    min=0.1,
                    max=600.0,
                    step=0.1,
                    tooltip="Length of the clip. A motion that is shorter begins again.",
                ),
                io.Float.Input(
                    "frame_rate", default=25.0, min=1.0, max=120.0, step=0.001, tooltip="Frames per second of the clip."
                ),
                io.Boolean.Input(
                    "seamless",
                    default=False,
                    tooltip="On: the clip can be played in a loop without a seam; keyframes are stretched to fit.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**32 - 1,
                    step=1,
                    control_after_generate=False,
                    tooltip="Another one blinks, looks and talks at other moments.",
                ),
                io.String.Input(
                    "keyframes",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="A motion of your own as JSON, in place of the one above; see the help page.",
                ),
            ],
            outputs=[
                PoseSocket.Output("pose", tooltip="One pose per frame, for Edit Pose, Preview Motion or Reenact."),
                io.Image.Output("curves", tooltip="What moves when, as a drawing."),
            ],
        )

    @classmethod
    def execute(
        cls,
        source: Source,
        motion: str,
        seconds: float,
        frame_rate: float,
        seamless: bool,
        seed: int,
        keyframes: str = "",
    ) -> io.NodeOutput:
        """Make all poses."""
        script = parse_script(keyframes) if keyframes.strip() else load_script(motion)
        timeline = Timeline.of(script.seeded(seed), frame_rate, seconds, seamless)
        rows = join_poses(script_poses(reader_of(source.codes.coefficients).face_model, source.codes, timeline))
        curves = to_image(images.uint8_to_unit(draw_curves(timeline, frame_rate)[None]))
        return io.NodeOutput(Pose(rows, Timing(timeline.frame_rate)), curves, ui=ui.PreviewImage(curves, cls=cls))


NODES: list[type[io.ComfyNode]] = [MakeMotion]
