"""How closely the lips of a photo follow a driver's, with and without the correction by the driver's mesh.

    python benchmarks/lip_opening.py [PHOTO DRIVING] [--output FILE.json]

For every frame of the driver, the opening of the inner lips that its mesh shows is held against that of the photo's
moved mesh, both in widths of the outer eye corners: correlation, spread of both, mean difference. Only geometry is
used. Without arguments the media of the demo are taken.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from diffusionact.face.readers.open.expression_directions import load_directions  # noqa: E402
from diffusionact.face.readers.open.face_model import OpenFaceModel  # noqa: E402
from diffusionact.face.readers.open.landmarker import FaceLandmarker  # noqa: E402
from diffusionact.images import load_image  # noqa: E402
from diffusionact.types import concatenate  # noqa: E402
from diffusionact.video import open_frames  # noqa: E402
from diffusionact.warping import FaceReading, coefficient_motion, prepare_source, read_face  # noqa: E402
from diffusionact.warping.mouth import lip_opening  # noqa: E402
from diffusionact.warping.placement import plane_to_aligned, transform_mesh  # noqa: E402
from diffusionact.warping.reading import find_face  # noqa: E402

MEDIA = ROOT / "diffusionact" / "demo" / "media"


def main() -> None:
    """Print one row with and one without the correction."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path, nargs="?", default=MEDIA / "photo.jpg")
    parser.add_argument("driving", type=Path, nargs="?", default=MEDIA / "photo_driving.mp4")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    landmarker, face_model = FaceLandmarker().eval(), OpenFaceModel.from_bundled()
    photo, frames = load_image(options.photo), list(open_frames(options.driving))
    readings = [read_face(frame, landmarker, face_model) for frame in frames]
    meshes = [transform_mesh(one.mesh.float()[None], one.aligned.float()[None]) for one in readings]
    seen = lip_opening(torch.cat(meshes)[..., :2])
    rows = {}
    for name, corrected in (("without", False), ("with", True)):
        source, driver = read_face(photo, landmarker, face_model), readings
        if not corrected:
            source = uncorrected(source, photo, landmarker)
            driver = [uncorrected(one, frame, landmarker) for one, frame in zip(readings, frames, strict=True)]
        rows[name] = figures(seen, moved_opening(photo, source, driver))
        print(f"{name:8}", "  ".join(f"{key} {value:.3f}" for key, value in rows[name].items()))
    if options.output:
        options.output.write_text(json.dumps({"frames": len(frames), "rows": rows}, indent=2) + "\n")


@torch.no_grad()
def uncorrected(reading: FaceReading, photo: Tensor, landmarker: FaceLandmarker) -> FaceReading:
    """The reading with the expression values as the net gave them."""
    faces, row = find_face(photo, landmarker, None)
    return replace(reading, coefficients=replace(reading.coefficients, expression=faces.blendshapes[row : row + 1]))


def moved_opening(photo: Tensor, source: FaceReading, driver: list[FaceReading]) -> Tensor:
    """Opening (F,) of the photo's lips in the driver's frames."""
    ready = prepare_source(photo, source)
    coefficients = concatenate([one.coefficients for one in driver])
    motion = coefficient_motion(ready, load_directions(), coefficients, torch.cat([one.gaze for one in driver]))
    return lip_opening(plane_to_aligned(motion.placement.place(ready.shape + motion.change))[..., :2])


def figures(seen: Tensor, moved: Tensor) -> dict[str, float]:
    """What is printed of two openings (F,)."""
    return {
        "r": float(torch.corrcoef(torch.stack([seen, moved]))[0, 1]),
        "spread of the driver": float(seen.std()),
        "of the result": float(moved.std()),
        "mean difference": float((seen - moved).abs().mean()),
    }


if __name__ == "__main__":
    main()
