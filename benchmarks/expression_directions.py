"""How well the 52 expression values move a photo's mesh: self reenactment of clips, against the tracked mesh.

    python benchmarks/expression_directions.py CLIP... [--output FILE.json]

One frame of each clip is the source; the others' coefficients alone move its mesh. The error is the mean distance of
the 68 landmarks from those of the tracked mesh, in percent of the distance of the outer eye corners, by the turn of
the head away from the source. Beside it, the source's landmarks moved as the 68 of the open face model move.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from diffusionact.face.readers.open.expression_directions import load_directions  # noqa: E402
from diffusionact.face.readers.open.face_model import OpenFaceModel  # noqa: E402
from diffusionact.face.readers.open.landmarker import FaceLandmarker  # noqa: E402
from diffusionact.types import concatenate  # noqa: E402
from diffusionact.video import open_frames  # noqa: E402
from diffusionact.warping import coefficient_motion, prepare_source  # noqa: E402
from diffusionact.warping.placement import ALIGNED_SIZE, plane_to_aligned, transform_mesh  # noqa: E402
from diffusionact.warping.topology import load_topology  # noqa: E402
from tools.direction_calibration import read_clip  # noqa: E402

TURNS_DEG = ((0, 10), (10, 25), (25, 90))
PARTS = {"all": (0, 68), "jaw": (0, 17), "brows": (17, 27), "nose": (27, 36), "eyes": (36, 48), "mouth": (48, 68)}
STARTS = (0.0, 0.5, 1.0)  # places of the sources in a clip


def main() -> None:
    """Print one row per range of turns and method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    landmarker, face_model = FaceLandmarker().eval(), OpenFaceModel.from_bundled()
    errors: dict[str, list[Tensor]] = {"mesh": [], "landmarks": []}
    turns = []
    for path in options.clips:
        frames = list(open_frames(path))
        readings = read_clip(frames, landmarker, face_model)
        for start in STARTS:
            turn, by_method = measure(frames[0], readings, round(start * (len(readings) - 1)), face_model)
            turns.append(turn)
            for name, error in by_method.items():
                errors[name].append(error)
    rows = table(torch.cat(turns), {name: torch.cat(parts) for name, parts in errors.items()})
    if options.output:
        options.output.write_text(json.dumps(rows, indent=2) + "\n")


def measure(photo: Tensor, readings: list, index: int, face_model: OpenFaceModel) -> tuple[Tensor, dict[str, Tensor]]:
    """Turn (F,) in degrees and errors (F, 68) in percent, with one reading as the source; only geometry is used."""
    matrix, reading = load_topology().landmark_matrix, readings[index]
    source = prepare_source(photo, reading)
    coefficients = concatenate([one.coefficients for one in readings])
    gaze = torch.cat([one.gaze for one in readings])
    motion = coefficient_motion(source, load_directions(), coefficients, gaze)
    moved = matrix @ plane_to_aligned(motion.placement.place(source.shape + motion.change))[..., :2]
    meshes = torch.cat([transform_mesh(one.mesh.float()[None], one.aligned.float()[None]) for one in readings])
    true = matrix @ meshes[..., :2]
    shape = reading.coefficients.shape.expand(len(readings), -1)
    model = face_model.landmarks(type(coefficients)(**{**vars(coefficients), "shape": shape}), ALIGNED_SIZE)
    spread = true[index] + model - model[index]
    width = (true[:, 36] - true[:, 45]).norm(dim=-1)[:, None]
    trace = (source.rotation.transpose(1, 2) @ motion.placement.rotation).diagonal(dim1=1, dim2=2).sum(1)
    turn = torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())
    found = {"mesh": moved, "landmarks": spread}
    return turn, {name: 100 * (marks - true).norm(dim=-1) / width for name, marks in found.items()}


def table(turns: Tensor, errors: dict[str, Tensor]) -> list[dict[str, object]]:
    """Mean errors by turn, method and part of the face, printed as well."""
    rows = []
    for low, high in TURNS_DEG:
        chosen = (turns >= low) & (turns < high)
        for method, error in errors.items() if chosen.any() else ():
            means = {part: round(float(error[chosen, first:last].mean()), 2) for part, (first, last) in PARTS.items()}
            rows.append({"turn_deg": [low, high], "frames": int(chosen.sum()), "method": method, **means})
            print(rows[-1])
    return rows


if __name__ == "__main__":
    main()
