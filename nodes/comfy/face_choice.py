"""Which face is meant: inputs of a node, and the face nearest to a bounding box."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...diffusionact import OpenFaceTracker
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


def face_in_box(image: Tensor, bounding_box: Any) -> int:
    """Number of the face whose centre is nearest to a box's.

    Args:
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
    centres = [(face.box[:2] + face.box[2:]) / 2 for face in OpenFaceTracker().detect(image)]
    distances = [float((centre - centre.new_tensor([x, y])).norm()) for centre in centres]
    return distances.index(min(distances)) if distances else 0
