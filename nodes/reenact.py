"""Reenact: source and poses -> semantic codes; cheap, one encoder pass a frame."""

from __future__ import annotations

from comfy_api.latest import io

from .comfy.compatibility import make_schema
from .comfy.model_management import LoadedModel
from .comfy.progress import Progress
from .comfy.rendering import predict_codes
from .comfy.sockets import CodesSocket, ModelSocket, PoseSocket, SourceSocket
from .comfy.values import Codes, Pose, Source


class Reenact(io.ComfyNode):
    """Predicts the codes of the source in every pose."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return make_schema(
            "Reenact",
            display_name="Reenact (DiffusionAct)",
            description="Predicts what the source looks like in every pose. Fast; Decode makes the images. The "
            "source's face shape is kept, also where the pose was made for somebody else.",
            search_aliases=["face reenactment", "animate portrait", "drive face"],
            inputs=[
                ModelSocket.Input("model", tooltip="From Load DiffusionAct; the one that encoded the source."),
                SourceSocket.Input("source", tooltip="From Encode Source or Load Source."),
                PoseSocket.Input("pose", tooltip="From Extract Pose, Edit Pose or Load Pose."),
            ],
            outputs=[CodesSocket.Output("codes", tooltip="For Decode.")],
        )

    @classmethod
    def execute(cls, model: LoadedModel, source: Source, pose: Pose) -> io.NodeOutput:
        """Predict all codes."""
        model.check(source.fingerprint, source.codes.coefficients.face_model, "a source")
        progress = Progress(len(pose.rows.found))
        codes = predict_codes(model, source.codes, pose.rows, progress)
        return io.NodeOutput(Codes(codes, source.codes.semantic_code, source.fingerprint, pose.timing))
