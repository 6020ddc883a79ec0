"""An image -> the value of the SOURCE socket."""

from __future__ import annotations

from torch import Tensor

from ...diffusionact.face.readers.reader import FaceReader
from ...diffusionact.types import map_tensors
from .face_reading import make_reader
from .model_management import LoadedModel
from .progress import Progress
from .values import Source


def encode(
    model: LoadedModel, image: Tensor, face: str | int, inversion_steps: int, reader: FaceReader | None = None
) -> Source:
    """Encode a source, with a step of progress for each step of the inversion.

    Args:
        model: encodes.
        image: uint8 (H, W, 3).
        face: "largest" or a number.
        inversion_steps: 0 takes the model's own number.
        reader: finds and measures the face; None takes the open one.

    Raises:
        NoFaceFoundError: if the image shows no such face.
    """
    pipeline = model.on_device(1).with_faces(reader or make_reader("open"))
    progress = Progress(inversion_steps or pipeline.config.num_inversion_steps)
    codes = pipeline.encode_source(image, inversion_steps or None, face, progress.on_step)
    codes = map_tensors(codes, lambda tensor: tensor.cpu())
    return Source(codes, image, pipeline.fingerprint, pipeline.landmark_frame)
