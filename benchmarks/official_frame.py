"""Where the open tracker's landmarks lie in the frame that the official model knows, on clips of real faces.

    python -m benchmarks.official_frame CLIP [CLIP ...]

The official model is shown the numbers of a 224 px crop: the box of the landmarks is centred there and its mean side is
223 / 1.375 = 162 px, by the rule of the authors' crop. For every fifth frame this prints where the drawn landmarks of
the open face model lie: of the driver's own face, and of the bundled source in the driver's pose. Writes
benchmarks/results/official_frame.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from diffusionact.face.geometry.alignment import transform_points
from diffusionact.face.geometry.crop_frame import BOX_FACTOR, CROP_FACTOR, CROP_SIZE, crop_frame_transform
from diffusionact.face.pose.options import PoseOptions
from diffusionact.face.pose.retargeting import recombine
from diffusionact.face.readers.open.reader import OpenFaceReader
from diffusionact.face.readers.reader import CroppedFace
from diffusionact.images import load_image
from diffusionact.types import FaceCoefficients
from diffusionact.video import open_frames

RESULTS = Path(__file__).with_name("results") / "official_frame.json"
SOURCE = Path(__file__).resolve().parents[1] / "diffusionact" / "demo" / "media" / "source.png"
STEP = 5
OPTIONS = PoseOptions(smoothing=0.0)
RULE_CENTRE_PX = (CROP_SIZE - 1) / 2
RULE_SIDE_PX = (CROP_SIZE - 1) / (BOX_FACTOR * CROP_FACTOR)


@dataclass(frozen=True)
class Place:
    """Where drawn faces lie in the 224 px frame, over the frames of a clip; pixels.

    Attributes:
        centre_x, centre_y: mean of the box's centre.
        centre_farthest: largest distance of a centre from the rule's.
        side: mean of the box's mean side.
        side_smallest, side_largest: its extremes.
        outside_percent: landmarks beyond the frame.
        from_tracked: mean distance of the 51 inner landmarks from the tracked ones.
        contour_from_tracked: the same of the contour.
    """

    centre_x: float
    centre_y: float
    centre_farthest: float
    side: float
    side_smallest: float
    side_largest: float
    outside_percent: float
    from_tracked: float
    contour_from_tracked: float


def place(drawn: Tensor, tracked: Tensor) -> Place:
    """Figures of drawn and tracked landmarks (F, 68, 2) px of the 224 px frame."""
    low, high = drawn.amin(1), drawn.amax(1)
    centre, side = (low + high) / 2, (high - low).mean(-1)
    outside = ((drawn < 0) | (drawn > CROP_SIZE - 1)).any(-1).float().mean()
    distance = (drawn - tracked).norm(dim=-1)
    values = (
        *centre.mean(0).tolist(),
        (centre - RULE_CENTRE_PX).norm(dim=-1).max().item(),
        side.mean().item(),
        side.min().item(),
        side.max().item(),
        100 * outside.item(),
        distance[:, 17:].mean().item(),
        distance[:, :17].mean().item(),
    )
    return Place(*(round(value, 2) for value in values))


def in_official_frame(
    reader: OpenFaceReader, face: CroppedFace, coefficients: FaceCoefficients
) -> tuple[Tensor, Tensor]:
    """Drawn and tracked landmarks (1, 68, 2) px of the 224 px frame of a driving face."""
    crop = crop_frame_transform(face.observation.landmarks)
    drawn = reader.face_model.landmarks(coefficients, reader.face_model.camera_size)
    return transform_points(crop.matrix, drawn), transform_points(crop.matrix, face.observation.landmarks)


@torch.no_grad()
def measure(clip: Path, reader: OpenFaceReader, source: FaceCoefficients) -> dict[str, object]:
    """Figures of one clip: the driver's own face, and the source in its pose."""
    own, other = [], []
    for face in reader.read(islice(iter(open_frames(clip)), 0, None, STEP), OPTIONS, 25.0):
        if not bool(face.observation.found):
            continue
        own.append(in_official_frame(reader, face, face.coefficients))
        other.append(in_official_frame(reader, face, recombine(reader.face_model, source, face.coefficients)))
    figures = {}
    for name, rows in (("own", own), ("source", other)):
        figures[name] = asdict(place(*(torch.cat([row[side] for row in rows]) for side in (0, 1))))
    return {"frames": len(own), **figures}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    options = parser.parse_args()
    reader = OpenFaceReader()
    source = reader.read_source(load_image(SOURCE), "largest").face.coefficients
    figures = {"rule": {"centre": RULE_CENTRE_PX, "side": round(RULE_SIDE_PX, 1)}}
    figures |= {clip.name: measure(clip, reader, source) for clip in options.clips}
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
