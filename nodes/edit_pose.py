"""Edit Pose: sliders, gains and mixes on poses, or on the source's own pose without any driver."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..diffusionact.face.pose.editing import PoseEdit, PoseMix, edit_pose, mix_poses, source_pose
from ..diffusionact.types import map_tensors
from .comfy.compatibility import ESSENTIALS_CATEGORY, make_schema
from .comfy.conversion import to_image
from .comfy.face_reading import draw, reader_of
from .comfy.pose_sliders import MIX_PREFIX, edit_inputs, mix_inputs
from .comfy.sockets import PoseSocket, SourceSocket
from .comfy.values import Pose, Source, Timing


class EditPose(io.ComfyNode):
    """Changes poses by hand."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "EditPose",
            display_name="Edit Pose (DiffusionAct)",
            description="Changes head, gaze and expression with sliders. Connect a pose to change a clip, or only the "
            "source to pose it without any driving video.",
            search_aliases=["expression editor", "sliders", "smile", "gaze", "head turn", "retarget"],
            essentials_category=ESSENTIALS_CATEGORY,
            inputs=[
                SourceSocket.Input(
                    "source", optional=True, tooltip="Its own pose is changed, where no pose is connected."
                ),
                PoseSocket.Input("pose", optional=True, tooltip="The poses to change, every frame alike."),
                *edit_inputs(),
                PoseSocket.Input(
                    "second_pose",
                    optional=True,
                    tooltip="Parts of it are mixed in before the sliders: a clip of the same length, or a single pose.",
                ),
                *mix_inputs(),
            ],
            outputs=[PoseSocket.Output("pose_out", display_name="pose", tooltip="For Reenact.")],
        )

    @classmethod
    def execute(
        cls,
        source: Source | None = None,
        pose: Pose | None = None,
        second_pose: Pose | None = None,
        **sliders: float,
    ) -> io.NodeOutput:
        """Mix, then edit."""
        pose = pose or own_pose(source)
        rows, face_model = pose.rows, reader_of(pose.rows.coefficients).face_model
        shares = {name: sliders.pop(name) for name in list(sliders) if name.startswith(MIX_PREFIX)}
        if second_pose is not None:
            mix = PoseMix(**{name.removeprefix(MIX_PREFIX): share for name, share in shares.items()})
            rows = mix_poses(face_model, rows, second_pose.rows, mix)
        rows = edit_pose(face_model, rows, PoseEdit(**sliders))
        timing = second_pose.timing if second_pose and len(pose.rows.found) == 1 else pose.timing
        first = map_tensors(rows, lambda tensor: tensor[:1])
        return io.NodeOutput(Pose(rows, timing), ui=ui.PreviewImage(to_image(draw(first)), cls=cls))


def own_pose(source: Source | None) -> Pose:
    """The pose of a source, one frame.

    Raises:
        ValueError: if there is none.
    """
    if source is None:
        raise ValueError(
            "Expected a pose or a source to change, received neither. Connect Extract Pose, Load Pose or Encode Source."
        )
    return Pose(source_pose(reader_of(source.codes.coefficients).face_model, source.codes), Timing())
