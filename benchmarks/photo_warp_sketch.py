"""The sketch that the photo warp grew from, with numba and OpenCV, as a yardstick for `photo_warp.py`.

It lies outside the repository, at `../shared/prototypes/photo_warp`, and knows the library by older module names.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
from torch import Tensor

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "prototypes" / "photo_warp"
NEEDED = ("numba", "cv2", "scipy")
OPEN, GEOMETRY = "diffusionact.face.readers.open", "diffusionact.face.geometry"
MOVED = {
    "diffusionact.face.alignment": f"{GEOMETRY}.alignment",
    "diffusionact.face.rotations": f"{GEOMETRY}.rotations",
    "diffusionact.face.landmarker": f"{OPEN}.landmarker",
    "diffusionact.face.landmarker.geometry": f"{OPEN}.landmarker.geometry",
    "diffusionact.face.landmarker.graph": f"{OPEN}.landmarker.graph",
    "diffusionact.face.mesh_landmarks": f"{OPEN}.mesh_landmarks",
    "diffusionact.face.open_face_model": f"{OPEN}.face_model",
}


def missing(folder: Path) -> str | None:
    """What keeps the sketch from running, in words; None if nothing does."""
    if not folder.is_dir():
        return f"{folder} is not there"
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    return f"it needs {', '.join(absent)}" if absent else None


def load_sketch(folder: Path) -> ModuleType:
    """The sketch's module `warp`, on one thread; its segmenter, which needs more packages, stays out."""
    for name, target in MOVED.items():
        sys.modules[name] = importlib.import_module(target)
    segment = ModuleType("segment")
    segment.SIDE, segment.Segmenter = 256, None
    sys.modules["segment"] = segment
    sys.path.insert(0, str(folder))
    sketch = importlib.import_module("warp")
    sketch.cv2.setNumThreads(1)
    return sketch


def sketch_frames(
    photo: Tensor, mesh: Tensor, alpha: Tensor, turn: Tensor, change: Tensor, folder: Path
) -> Callable[[int], Callable[[], object]]:
    """Renders the sketch's source in one pose: size in px -> a call that draws a frame.

    Args:
        photo: (H, W, 3) uint8.
        mesh: (478, 3) px of the photo.
        alpha: (H, W) in [0, 1], the person; the same for both.
        turn: (3, 3) by which the head is turned.
        change: (478, 3) cm.
        folder: of the sketch.
    """
    sketch = load_sketch(folder)

    def matte(source):
        return sketch.cv2.warpAffine(alpha.numpy(), source.to_canvas, (sketch.SIDE, sketch.SIDE))

    source = sketch.Source(photo.numpy(), mesh.numpy(), matte)
    renderer = sketch.Renderer(source)

    def at_size(size: int) -> Callable[[], object]:
        factor, margin = size / sketch.CROP, sketch.MARGIN
        own = sketch.shift_pose(source.mesh.pose, (-margin, -margin), factor)
        pose = sketch.Pose(turn.double().numpy() @ own.rotation, own.scale, own.shift)
        shift = (factor - 1) / 2 - margin * factor
        still = np.array([[factor, 0.0, shift], [0.0, factor, shift]])
        motion = sketch.Motion(change.double().numpy(), pose, still)
        return lambda: renderer.render(motion, size)

    return at_size
