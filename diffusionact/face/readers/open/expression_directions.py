"""How each of the 52 expression values moves the points of the face mesh.

Built by `tools/expression_directions.py` and calibrated by `tools/direction_calibration.py`. The base
is MakeHuman's CC0 head; the unit is the centimetre of the canonical face, in the head frame of
`face/geometry/rotations.py`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

DATA_FILE = Path(__file__).with_name("data") / "expression_directions.safetensors"


def load_directions(device: torch.device | str = "cpu") -> Tensor:
    """(52, 478, 3) cm, in the order of `face/expression_names.py`."""
    return load_file(DATA_FILE)["directions"].to(device, torch.float32)
