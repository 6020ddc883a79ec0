"""A picture -> the value of the SOURCE socket."""

from __future__ import annotations

from torch import Tensor

from ..diffusionact.types import map_tensors
from .model_management import LoadedModel
from .progress import Progress
from .sockets import Source


def encode(model: LoadedModel, picture: Tensor, face: str | int, inversion_steps: int) -> Source:
    """Encode a source, with a step of progress for each step of the inversion.

    Args:
        model: encodes.
        picture: uint8 (H, W, 3).
        face: "largest" or a number.
        inversion_steps: 0 takes the model's own number.

    Raises:
        NoFaceFoundError: if the picture shows no such face.
    """
    pipeline = model.on_device(1)
    progress = Progress(inversion_steps or pipeline.config.num_inversion_steps)
    codes = pipeline.encode_source(picture, inversion_steps or None, face, progress.on_step)
    return Source(map_tensors(codes, lambda tensor: tensor.cpu()), picture, pipeline.fingerprint)
