"""How much rounder heads are than face meshes: `MIDDLE_LACKS` and `SIDES_EXCEED` of `warping/placement.py`.

The mirror image of a turned mesh is nearly the same person turned the other way. Depth that the mesh lacks shows as
what is left between the mirror image and the mesh that was turned there, along the turn; every person counts alike.

`python -m tools.head_depth PHOTO_OR_CLIP...` prints both numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from diffusionact.face.readers.open.landmarker import FaceLandmarker
from diffusionact.video import open_frames
from diffusionact.warping.placement import fit_placement, mesh_to_plane
from diffusionact.warping.topology import NUM_FACE, load_topology

# Turns of the head that count, degrees: less tells nothing, beyond the mesh guesses.
MIN_TURN_DEG, MAX_TURN_DEG = 6.0, 45.0
EVERY, MIN_CONFIDENCE = 8, 0.7


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, help="photos and clips, one person each")
    landmarker = FaceLandmarker().eval()
    people = [list(read_meshes(path, landmarker)) for path in parser.parse_args().files]
    middle, sides, count = fit_depth(people)
    print(f"{count} people: MIDDLE_LACKS {middle:.3f}, SIDES_EXCEED {sides:.4f}")


@torch.no_grad()
def read_meshes(path: Path, landmarker: FaceLandmarker) -> Iterator[Tensor]:
    """Meshes (478, 3) on a plane, of the largest face in every EVERY-th frame of which the net is sure."""
    for frame in islice(open_frames(path), 0, None, EVERY):
        faces = landmarker(frame[None])[0]
        if len(faces) and float(faces.confidence[0]) >= MIN_CONFIDENCE:
            yield mesh_to_plane(faces.points[:1])[0]


def fit_depth(people: Iterable[Iterable[Tensor]]) -> tuple[float, float, int]:
    """The two numbers, and from how many people.

    Args:
        people: meshes (478, 3) on the plane of each.

    Raises:
        ValueError: if no head is turned far enough.
    """
    total, weight, count = torch.zeros(NUM_FACE), 0.0, 0
    for meshes in people:
        parts = [part for part in map(missing_depth, meshes) if part is not None]
        if parts:
            total = total + torch.stack([pull for pull, _ in parts]).mean(0)
            weight += sum(share for _, share in parts) / len(parts)
            count += 1
    if not count:
        raise ValueError(
            f"Expected faces that are turned by {MIN_TURN_DEG} to {MAX_TURN_DEG} degrees, received none. Add photos."
        )
    x = load_topology().canonical[:, 0]
    design = torch.stack([torch.ones_like(x), -x.square()], dim=1)
    depth = (total + total[load_topology().mirror]) / 2 / weight
    middle, sides = torch.linalg.lstsq(design, depth[:, None]).solution[:, 0].tolist()
    return middle, sides, count


def missing_depth(mesh: Tensor) -> tuple[Tensor, float] | None:
    """Depth (468,) that a mesh (478, 3) on the plane lacks, cm, times its weight, and that; None if it hardly turns."""
    mirrored = torch.cat([mesh[:NUM_FACE][load_topology().mirror], mesh[NUM_FACE:]]) * mesh.new_tensor([-1.0, 1.0, 1.0])
    before, after = fit_placement(mesh[None]), fit_placement(mirrored[None])
    turn_deg = torch.rad2deg(before.rotation[0, 0, 2].asin().abs())
    if not MIN_TURN_DEG < turn_deg < MAX_TURN_DEG:
        return None
    turned = after.place(before.to_head(mesh[None]))[0]
    left = (mirrored - turned)[:NUM_FACE, :2] / after.scale
    along = (after.rotation[0] @ before.rotation[0].T)[:2, 2]  # how depth in the photo moves as the head turns
    return left @ along, float(along.square().sum())


if __name__ == "__main__":
    main()
