"""Extract Pose: a driving clip -> the poses that the source shall take."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from .comfy.compatibility import make_schema
from .comfy.conversion import to_image
from .comfy.driving import open_driving
from .comfy.face_reading import draw, join_poses, make_reader, read_poses, tracker_input
from .comfy.landmarks import driving_faces
from .comfy.motion_options import MOTION_INPUTS, frame_rate_input, pose_options
from .comfy.progress import Progress
from .comfy.sockets import LandmarksSocket, PoseSocket, SourceSocket
from .comfy.values import Pose, Source


class ExtractPose(io.ComfyNode):
    """Tracks the driver and carries head pose, expression and gaze over to the source's face shape."""

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
                *MOTION_INPUTS,
                frame_rate_input(),
                LandmarksSocket.Input(
                    "face_landmarks",
                    optional=True,
                    tooltip="From ComfyUI's Detect Face Landmarks, for the same frames; replaces the tracker.",
                ),
            ],
            outputs=[
                PoseSocket.Output("pose", tooltip="One pose a driving frame, with the driver's rate and sound."),
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
        **motion: Any,
    ) -> io.NodeOutput:
        """Track every frame."""
        clip, options = open_driving(driving, frame_rate), pose_options(**motion)
        reader, progress = make_reader(tracker), Progress(clip.frame_count)
        faces = driving_faces(reader, clip, face_landmarks, options, progress)
        rows = join_poses(read_poses(reader, faces, source, options))
        maps = to_image(draw(rows))
        return io.NodeOutput(Pose(rows, clip.timing()), maps, ui=ui.PreviewImage(maps[:1], cls=cls))
