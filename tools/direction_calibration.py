"""Expression directions that agree better with tracked faces: least squares on clips, held to the given ones.

A clip's frames are read one by one; each mesh is brought into head space. What the expression values do not explain of
its change within the clip is fitted by corrections of the directions, with a ridge, and mirrored copies of all frames.
The pose leaks into tracked meshes, so polynomials of its angles are fitted beside the corrections and thrown away.

Depth stays MakeHuman's, as the tracker guesses it; so does the face's outline at the sides, which it sees on the
silhouette.

`python -m tools.direction_calibration CLIP... --directions IN.safetensors --output OUT.safetensors`
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from diffusionact.face.errors import NoFaceFoundError
from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.geometry.rotations import matrix_to_head_pose
from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.face.readers.open.landmarker import FaceLandmarker
from diffusionact.video import open_frames
from diffusionact.warping import FaceReading, read_face
from diffusionact.warping.placement import fit_placement, mesh_to_plane, transform_mesh
from diffusionact.warping.sampling import smoothstep
from diffusionact.warping.topology import IRISES, load_topology

RIDGE, POSE_RIDGE = 10.0, 2.0
# A clip counts as this many frames, a shorter one as less.
CLIP_FRAMES, MIN_FRAMES = 100.0, 20.0
# Frames whose mesh lies further from the clip's middle than this many times the usual are other faces, or mistakes.
OUTLIER = 3.0
# Values by the beginning of their names, and the heights in the canonical face over which their correction fades in,
# cm: the eyes lie between; lids and gaze have rules of their own.
REGIONS = ((("mouth", "jaw", "cheek", "nose"), (1.8, 0.6)), (("brow",), (3.3, 4.2)))
# Distance from the middle of the face over which the correction fades out, cm.
INNER_CM, OUTER_CM = 5.0, 6.8


@dataclass(frozen=True)
class ClipMotion:
    """Change within a clip of F frames, each about the clip's mean.

    Attributes:
        expression: (F, 52).
        head: (F, 478, 3) cm in head space.
        pose: (F, 6) polynomials of yaw, pitch and roll, radians.
    """

    expression: Tensor
    head: Tensor
    pose: Tensor


def read_clip(frames: Iterable[Tensor], landmarker: FaceLandmarker, face_model: OpenFaceModel) -> list[FaceReading]:
    """The largest face of a clip's first frame, followed; frames (H, W, 3) uint8 without it are passed over."""
    matrix, last, readings = load_topology().landmark_matrix, None, []
    for frame in frames:
        try:
            reading = read_face(frame, landmarker, face_model, last)
        except NoFaceFoundError:
            last = None
            continue
        last = matrix @ reading.mesh[:, :2]
        readings.append(reading)
    return readings


def clip_motion(readings: list[FaceReading]) -> ClipMotion:
    """What a clip's readings tell."""
    meshes = torch.cat([transform_mesh(r.mesh.float()[None], r.aligned.float()[None]) for r in readings])
    plane = mesh_to_plane(meshes)
    placement = fit_placement(plane)
    head = placement.to_head(plane)
    away = (head - head.median(0).values).norm(dim=-1).mean(1)
    kept = away < OUTLIER * away.median()
    yaw, pitch, roll = torch.deg2rad(matrix_to_head_pose(placement.rotation)).unbind(1)
    pose = torch.stack([yaw, pitch, roll, yaw**2, pitch**2, yaw * pitch], dim=1)
    expression = torch.cat([r.coefficients.expression for r in readings])
    return ClipMotion(*(part[kept] - part[kept].mean(0) for part in (expression, head, pose)))


def mirrored(points: Tensor) -> Tensor:
    """Displacements (F, 478, 3) of the mirrored face."""
    right, left = IRISES
    partner = torch.cat([load_topology().mirror, torch.tensor(left + right)])
    return points[:, partner] * points.new_tensor([-1.0, 1.0, 1.0])


def mirrored_names() -> list[int]:
    """Index of the expression value of the other side, for each of the 52."""
    swapped = {"Left": "Right", "Right": "Left"}
    sides = [next((side for side in swapped if name.endswith(side)), "") for name in EXPRESSION_NAMES]
    others = [
        name.removesuffix(side) + swapped.get(side, "") for name, side in zip(EXPRESSION_NAMES, sides, strict=True)
    ]
    return [EXPRESSION_NAMES.index(name) for name in others]


def calibrate(directions: Tensor, clips: list[ClipMotion]) -> Tensor:
    """Directions (52, 478, 3) cm corrected by the clips."""
    expression, head, pose = (torch.cat([getattr(c, name) for c in clips]) for name in ("expression", "head", "pose"))
    weight = torch.cat([
        torch.full((len(c.head),), CLIP_FRAMES / max(MIN_FRAMES, len(c.head))) for c in clips
    ])  # fmt: skip
    residual = head - torch.einsum("fe,evc->fvc", expression, directions)
    names = mirrored_names()
    flip = pose.new_tensor([-1.0, 1.0, -1.0, 1.0, 1.0, -1.0])
    inputs = torch.cat([torch.cat([expression, pose], 1), torch.cat([expression[:, names], pose * flip], 1)]).double()
    targets = torch.cat([residual, mirrored(residual)]).flatten(1).double()
    weighted = inputs * weight.repeat(2)[:, None]
    height, aside = load_topology().canonical[:, 1], load_topology().canonical[:, 0].abs()
    change = torch.zeros_like(directions)
    for prefixes, (outside, inside) in REGIONS:
        rows = [index for index, name in enumerate(EXPRESSION_NAMES) if name.startswith(prefixes)]
        used = rows + list(range(len(directions), inputs.shape[1]))
        ridge = torch.tensor([RIDGE] * len(rows) + [POSE_RIDGE] * pose.shape[1]).double()
        system = (weighted.T @ inputs)[used][:, used] + torch.diag(ridge)
        solved = torch.linalg.solve(system, (weighted.T @ targets)[used])[: len(rows)]
        near = smoothstep(outside, inside, height) * smoothstep(OUTER_CM, INNER_CM, aside)
        near = torch.cat([near, near.new_zeros(directions.shape[1] - len(near))])
        change[rows] = solved.float().view(len(rows), -1, 3) * near[:, None]
    change = (change + mirrored(change[names])) / 2
    return directions + change * change.new_tensor([1.0, 1.0, 0.0])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--directions", type=Path, required=True, help="what tools/expression_directions.py wrote")
    parser.add_argument("--output", type=Path, required=True, help="safetensors file")
    options = parser.parse_args()
    landmarker, face_model = FaceLandmarker().eval(), OpenFaceModel.from_bundled()
    readings = [read_clip(open_frames(path), landmarker, face_model) for path in options.clips]
    directions = torch.from_numpy(load_file(options.directions)["directions"].astype(np.float32))
    calibrated = calibrate(directions, [clip_motion(clip) for clip in readings if len(clip) >= MIN_FRAMES])
    save_file({"directions": calibrated.numpy().astype(np.float16)}, options.output)


if __name__ == "__main__":
    main()
