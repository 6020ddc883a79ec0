"""Which face is meant: inputs of a node, and the face nearest to a bounding box."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...diffusionact.face.readers.reader import FaceReader
from .compatibility import ADVANCED

NUMBERED = "by number"
SOURCE_FACES = ("largest", NUMBERED)
DRIVING_FACES = ("follow", "largest", NUMBERED)


def face_inputs(choices: tuple[str, ...], tooltip: str) -> list[io.Input]:
    """The inputs `face` and `face_number`."""
    return [
        io.Combo.Input("face", options=list(choices), default=choices[0], tooltip=tooltip),
        io.Int.Input(
            "face_number",
            default=0,
            min=0,
            max=99,
            step=1,
            tooltip=f"Counts only with the choice {NUMBERED!r}: 0 is the largest face, 1 the next one.",
            extra_dict=ADVANCED,
        ),
    ]


def chosen_face(face: str, face_number: int) -> str | int:
    """What the library calls the choice made by `face_inputs`."""
    return face_number if face == NUMBERED else face


def face_in_box(reader: FaceReader, image: Tensor, bounding_box: Any) -> int:
    """Number of the face whose centre is nearest to a box's.

    Args:
        reader: finds the faces, as it will when it reads the chosen one.
        image: uint8 (H, W, 3).
        bounding_box: ComfyUI's BOUNDING_BOX; of several boxes, the first of the first image.
    """
    while isinstance(bounding_box, (list, tuple)):
        if not bounding_box:
            raise ValueError(
                "Expected a bounding box, received an empty list. Choose another image, or disconnect the input."
            )
        bounding_box = bounding_box[0]
    x = bounding_box["x"] + bounding_box["width"] / 2
    y = bounding_box["y"] + bounding_box["height"] / 2
    centres = reader.faces_in(image).view(-1, 2, 2).mean(1)
    return int((centres - centres.new_tensor([x, y])).norm(dim=-1).argmin()) if len(centres) else 0
