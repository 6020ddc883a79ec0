"""Extract Pose and Edit Pose: the poses that the source should take, from a driving clip or from sliders."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from ..diffusionact.face.errors import NoFaceFoundError
from ..diffusionact.face.geometry.crop_change import UNCHANGED, CropChange
from ..diffusionact.face.pose.editing import PoseEdit, PoseMix, edit_pose, mix_poses, source_pose
from ..diffusionact.types import FacePose, map_tensors
from .comfy.conversion import to_image
from .comfy.face_reading import draw, join_poses, make_reader, read_poses, reader_of, tracker_input
from .comfy.inputs import MIX_PREFIX, edit_inputs, frame_rate_input, mix_inputs, motion_inputs, pose_options
from .comfy.landmarks import driving_faces
from .comfy.previewing import OUTPUT_KEY, can_preview, previewed, remember_edit
from .comfy.progress import NodeProgress
from .comfy.schema import ESSENTIALS_CATEGORY, CropSocket, LandmarksSocket, PoseSocket, SourceSocket, make_schema
from .comfy.values import Pose, Source, Timing
from .comfy.video import open_driving


class ExtractPose(io.ComfyNode):
    """Reads the driver and carries head pose, expression and gaze over to the source's face shape."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "ExtractPose",
            display_name="Extract Pose (DiffusionAct)",
            description="Reads head pose, expression and gaze from a driving video, image batch or single image.",
            search_aliases=["driving video", "face tracking", "landmarks", "motion", "head pose", "gaze"],
            inputs=[
                SourceSocket.Input("source", tooltip="From Encode Source; its face shape is kept."),
                io.MultiType.Input(
                    "driving",
                    [io.Video, io.Image],
                    tooltip="The clip that drives: a VIDEO, which brings its own rate and sound, or an IMAGE batch.",
                ),
                tracker_input(),
                *motion_inputs(),
                frame_rate_input(),
                LandmarksSocket.Input(
                    "face_landmarks",
                    optional=True,
                    tooltip="From ComfyUI's Detect Face Landmarks, for the same frames; replaces the tracker.",
                ),
                CropSocket.Input(
                    "crop",
                    optional=True,
                    tooltip="From Change Crop: another square around the driver's face. Turned, the head leans.",
                ),
            ],
            outputs=[
                PoseSocket.Output("pose", tooltip="One pose per driving frame, with the driver's rate and sound."),
                io.Image.Output("landmark_map", tooltip="What the model is told: landmarks and pupils as a drawing."),
            ],
        )

    @classmethod
    def execute(
        cls,
        source: Source,
        driving: Tensor | io.Video.Type,
        tracker: str,
        frame_rate: float,
        face_landmarks: dict[str, Any] | None = None,
        crop: CropChange | None = None,
        **motion: Any,
    ) -> io.NodeOutput:
        """Read every frame."""
        clip = open_driving(driving, frame_rate, is_constant=face_landmarks is None)
        options = replace(pose_options(**motion), crop_change=crop or UNCHANGED)
        reader, progress = make_reader(tracker), NodeProgress(clip.frame_count)
        faces = driving_faces(reader, clip, face_landmarks, options, progress)
        rows = join_poses(read_poses(reader, faces, source, options))
        maps = to_image(draw(rows))
        return io.NodeOutput(Pose(rows, clip.timing()), maps, ui=ui.PreviewImage(maps[:1], cls=cls))


class EditPose(io.ComfyNode):
    """Changes poses by hand."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "EditPose",
            display_name="Edit Pose (DiffusionAct)",
            description="Changes head, gaze and expression with sliders. Connect a pose to change a clip, or only the "
            "source to pose it without any driving video. With a source the node shows a geometry preview, no "
            "generative model, which follows the sliders once it has run.",
            search_aliases=["expression editor", "sliders", "smile", "gaze", "head turn", "retarget"],
            essentials_category=ESSENTIALS_CATEGORY,
            inputs=[
                SourceSocket.Input(
                    "source",
                    optional=True,
                    tooltip="Its own pose is changed, where no pose is connected; and the node previews it.",
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
        mixed, rows = rows, edit_pose(face_model, rows, PoseEdit(**sliders))
        timing = second_pose.timing if second_pose and len(pose.rows.found) == 1 else pose.timing
        return io.NodeOutput(Pose(rows, timing), ui=cls._shown(source, mixed, rows))

    @classmethod
    def _shown(cls, source: Source | None, before: FacePose, after: FacePose) -> dict[str, Any]:
        """The first frame as the node shows it: the source in that pose, or where there is none its landmarks."""
        first = map_tensors(after, lambda tensor: tensor[:1])
        if can_preview(source, first):
            with suppress(NoFaceFoundError):  # the preview looks at the photo with a net of its own
                shown = ui.PreviewImage(to_image(previewed(source, first)), cls=cls).as_dict()
                return shown | {OUTPUT_KEY: [remember_edit(source, before)]}
        return ui.PreviewImage(to_image(draw(first)), cls=cls).as_dict()


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


NODES: list[type[io.ComfyNode]] = [ExtractPose, EditPose]
