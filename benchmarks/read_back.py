"""How far heads are turned and nod in what the photo model draws, as the face reader sees it, for what was asked for.

    OMP_NUM_THREADS=1 python benchmarks/read_back.py PHOTO_OR_CLIP...

Of a clip the first frame is the photo. Prints the mean slope of what was read on what was asked for: 1 is right.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import mean, stdev

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from diffusionact.face.errors import NoFaceFoundError  # noqa: E402
from diffusionact.face.geometry.rotations import head_pose_to_matrix, matrix_to_head_pose  # noqa: E402
from diffusionact.face.readers.open.face_model import OpenFaceModel  # noqa: E402
from diffusionact.images import model_to_uint8  # noqa: E402
from diffusionact.video import open_frames  # noqa: E402
from diffusionact.warping import WarpMotion, WarpRenderer, WarpSource, read_face  # noqa: E402
from diffusionact.warping.photo import PhotoPreparer  # noqa: E402
from diffusionact.warping.topology import NUM_MESH, load_topology  # noqa: E402
from diffusionact.warping.values import HeadPlacement  # noqa: E402

# Yaw and pitch, degrees from the photo's own pose.
TURNS = {"turn": (0, (-40, -30, -20, -10, 0, 10, 20, 30, 40)), "nod": (1, (-20, -10, 0, 10, 20))}
# Photos and frames beyond this are profiles, of which the reader says little.
MAX_OWN_DEG, MAX_DEG = 31.0, 45.0
MIN_READ = 4
SIZE = 256


@torch.no_grad()
def main() -> None:
    """Render, read, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, help="one person each")
    torch.set_num_threads(1)
    preparer, face_model = PhotoPreparer(), OpenFaceModel.from_bundled()
    slopes: dict[str, list[float]] = {name: [] for name in TURNS}
    for path in parser.parse_args().files:
        photo = next(iter(open_frames(path)))
        try:
            source = prepare(photo, preparer, face_model)
        except NoFaceFoundError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            continue
        for name, (axis, degrees) in TURNS.items():
            slopes[name] += read_back(source, preparer, axis, degrees)
    for name, values in slopes.items():
        if not values:
            print(f"{name}: no face was read often enough")
            continue
        spread = f", standard deviation {stdev(values):.3f}" if len(values) > 1 else ""
        print(f"{name}: slope {mean(values):.3f} of {len(values)} people{spread}")


def prepare(photo: Tensor, preparer: PhotoPreparer, face_model: OpenFaceModel) -> WarpSource:
    """The largest face of a photo uint8 (H, W, 3), with its person cut out."""
    face = read_face(photo, preparer.landmarker, face_model)
    landmarks = load_topology().landmark_matrix @ face.mesh[:, :2]
    return preparer(photo, landmarks, face.aligned, face.coefficients, face.gaze)


def read_back(source: WarpSource, preparer: PhotoPreparer, axis: int, degrees: tuple[int, ...]) -> list[float]:
    """One slope; none of a photo that is turned too far, or whose frames show too few faces."""
    own = source.placement
    if matrix_to_head_pose(own.rotation)[0, 0].abs() > MAX_OWN_DEG:
        return []
    renderer, asked, seen = WarpRenderer(source, SIZE), [], []
    for angle in degrees:
        change = torch.zeros(1, 3)
        change[0, axis] = angle
        rotation = head_pose_to_matrix(change) @ own.rotation
        motion = WarpMotion(HeadPlacement(rotation, own.scale, own.shift), torch.zeros(1, NUM_MESH, 3))
        faces = preparer.landmarker(model_to_uint8(renderer.render(motion).images))[0]
        wanted = float(matrix_to_head_pose(rotation)[0, axis])
        if len(faces) and abs(wanted) < MAX_DEG:
            pose = matrix_to_head_pose(preparer.landmarker.geometry.apparent_rotation(faces.points[:1]))
            asked.append(wanted)
            seen.append(float(pose[0, axis]))
    if len(asked) < MIN_READ:
        return []
    x, y = (torch.tensor(values) - mean(values) for values in (asked, seen))
    return [float((x * y).sum() / x.square().sum())]


if __name__ == "__main__":
    main()
