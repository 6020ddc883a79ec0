"""How much of the driver's face shape is left after recombination: should be next to nothing (the paper's Fig. 6).

Face shape is what remains of landmarks once pose and expression are removed: the frontal, neutral landmarks of the
fitted identity, px of the 256 px crop. Distances go from the landmarks that drive the network to source and driver.
The fit draws every face somewhat to the mean, and so to other people: a floor of all the figures.
`python -m benchmarks.identity_leak [CLIP ...]` prints the table for random people of the model itself, and for every
pair of the given clips.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from diffusionact.face.geometry.alignment import crop_transform
from diffusionact.face.geometry.projection import project
from diffusionact.face.geometry.rotations import (
    axis_angle_to_matrix,
    head_pose_to_matrix,
    matrix_to_axis_angle,
    matrix_to_head_pose,
)
from diffusionact.face.pose.retargeting import recombine
from diffusionact.face.readers.open.face_model import ALIGNED_SIZE, OpenFaceModel
from diffusionact.face.readers.open.reader import observe_in_crop
from diffusionact.face.readers.open.tracking import OpenFaceTracker
from diffusionact.types import FaceCoefficients, map_tensors
from diffusionact.video import open_frames

TYPICAL_CAMERA = (0.42, 0.0, -0.05)


@dataclass(frozen=True)
class Leak:
    """Where the shape in the driving landmarks lies between source and driver.

    Attributes:
        to_source, to_driver: mean distance of the points, px.
        share: how far it lies along the way from source to driver, 0 to 1.
    """

    to_source: float
    to_driver: float
    share: float

    @classmethod
    def between(cls, seen: Tensor, source: Tensor, driver: Tensor) -> Leak:
        """Compare neutral landmarks (B, 68, 2); source may be one row."""
        way = driver - source
        share = ((seen - source) * way).sum() / way.square().sum()
        return cls(distance(seen, source), distance(seen, driver), float(share))

    @property
    def ratio(self) -> float:
        """How many times nearer to the source."""
        return self.to_driver / max(self.to_source, 1e-9)


def neutral_landmarks(model: OpenFaceModel, shape: Tensor) -> Tensor:
    """(B, 68, 2) px: people of identity `shape` (B, K), frontal and without expression."""
    count = len(shape)
    camera = torch.tensor([TYPICAL_CAMERA]).expand(count, -1)
    nothing = torch.zeros(count, len(model.expression_basis))
    return model.landmarks(FaceCoefficients(shape, nothing, torch.zeros(count, 3), camera, model.name), ALIGNED_SIZE)


def shape_in(model: OpenFaceModel, landmarks: Tensor, pose: FaceCoefficients) -> Tensor:
    """Neutral landmarks (B, 68, 2) of the person in drawn landmarks (B, 68, 2), given their pose and expression."""
    # The drawn landmarks are the model's own points, not where the tracker would see them.
    drawn = OpenFaceModel(
        model.mean, model.identity_basis, model.expression_basis, torch.zeros_like(model.observation_offset)
    )
    head_pose = matrix_to_head_pose(axis_angle_to_matrix(pose.rotation))
    return neutral_landmarks(model, drawn.fit(landmarks, pose.expression, head_pose, ALIGNED_SIZE).shape)


def distance(one: Tensor, other: Tensor) -> float:
    """Mean distance of points, px."""
    return float((one - other).norm(dim=-1).mean())


def measure(model: OpenFaceModel, source: FaceCoefficients, driver: FaceCoefficients) -> tuple[Leak, Leak]:
    """Leak after recombination, and without it (the driver's own landmarks); rows are pairs of fitted faces."""
    shapes = neutral_landmarks(model, source.shape), neutral_landmarks(model, driver.shape)
    leaks = []
    for driving in (replace(driver, shape=source.shape), driver):
        seen = shape_in(model, model.landmarks(driving, ALIGNED_SIZE), driving)
        leaks.append(Leak.between(seen, *shapes))
    return leaks[0], leaks[1]


def random_people(model: OpenFaceModel, count: int, generator: torch.Generator) -> tuple[FaceCoefficients, Tensor]:
    """People of the model in random poses, and their head poses (count, 3) in degrees."""
    expression = torch.rand(count, len(model.expression_basis), generator=generator)
    active = torch.rand(expression.shape, generator=generator) < 0.2
    head_pose = torch.randn(count, 3, generator=generator) * torch.tensor([12.0, 6.0, 4.0])
    rotation = matrix_to_axis_angle(head_pose_to_matrix(head_pose))
    shape = torch.randn(count, model.num_identity, generator=generator)
    camera = torch.tensor([TYPICAL_CAMERA]).expand(count, -1)
    return FaceCoefficients(shape, 0.5 * expression * active, rotation, camera, model.name), head_pose


def observe(model: OpenFaceModel, people: FaceCoefficients, noise_px: float, generator: torch.Generator) -> Tensor:
    """Landmarks (B, 68, 2) px as the tracker would see them, with noise."""
    points = model.points(people) + model.observation_offset
    turned = points @ axis_angle_to_matrix(people.rotation).transpose(1, 2)
    seen = project(turned, people.camera, ALIGNED_SIZE)
    return seen + noise_px * torch.randn(seen.shape, generator=generator)


def random_people_table(model: OpenFaceModel, count: int, noise_px: float) -> list[tuple[str, Leak]]:
    """Rows for pairs of random people of the model, tracked with noise."""
    generator = torch.Generator().manual_seed(0)
    truth, fitted = [], []
    for _ in range(2):
        people, head_pose = random_people(model, count, generator)
        seen = observe(model, people, noise_px, generator)
        truth.append(people)
        fitted.append(model.fit(seen, people.expression, head_pose, ALIGNED_SIZE))
    after, without = measure(model, *fitted)
    mixed = neutral_landmarks(model, fitted[0].shape)
    true_shapes = [neutral_landmarks(model, people.shape) for people in truth]
    return [
        ("recombined, against the fitted faces", after),
        ("recombined, against the true faces", Leak.between(mixed, *true_shapes)),
        ("driver's own landmarks", without),
    ]


def fitted_clip(model: OpenFaceModel, path: Path, every: int) -> FaceCoefficients:
    """Faces fitted to every N-th frame of a clip."""
    frames = torch.stack([frame for index, frame in enumerate(open_frames(path)) if index % every == 0])
    seen = OpenFaceTracker("follow", "hold").eval().observe(frames)
    inside = observe_in_crop(seen, crop_transform(seen.landmarks, ALIGNED_SIZE))
    return model.fit(inside.landmarks, inside.expression, inside.head_pose, ALIGNED_SIZE)


def first_row(faces: FaceCoefficients) -> FaceCoefficients:
    """The first of several faces."""
    return map_tensors(faces, lambda tensor: tensor[:1])


def clip_table(model: OpenFaceModel, faces: dict[str, FaceCoefficients]) -> list[tuple[str, Leak]]:
    """Rows for ordered pairs of clips; the source is a clip's first frame."""
    rows = []
    for source, driver in itertools.permutations(faces, 2):
        image, driving = first_row(faces[source]), faces[driver]
        mixed = recombine(model, image, driving)
        seen = shape_in(model, model.landmarks(mixed, ALIGNED_SIZE), mixed)
        shapes = (neutral_landmarks(model, shape) for shape in (image.shape, driving.shape))
        rows.append((f"{source} driven by {driver}", Leak.between(seen, *shapes)))
    return rows


def repeatability(model: OpenFaceModel, faces: FaceCoefficients) -> float:
    """Distance between the shapes fitted to the first and to the other frames of one person, px."""
    shapes = neutral_landmarks(model, faces.shape)
    return distance(shapes[1:], shapes[:1])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path, help="clips of different people")
    parser.add_argument("--every", type=int, default=4, metavar="N", help="read every N-th frame of a clip")
    options = parser.parse_args()
    model = OpenFaceModel.from_bundled()
    with torch.no_grad():
        rows = random_people_table(model, count=500, noise_px=1.0)
        faces = {path.stem: fitted_clip(model, path, options.every) for path in options.clips}
        rows += clip_table(model, faces)
    print(f"{'face shape in the driving landmarks':60s} to source  to driver  ratio  share")
    for name, leak in rows:
        print(f"{name:60s} {leak.to_source:6.2f} px {leak.to_driver:7.2f} px {leak.ratio:6.1f} {leak.share:6.2f}")
    for name, clip in faces.items():
        print(f"{name + ', first frame against its others':60s} {repeatability(model, clip):6.2f} px")


if __name__ == "__main__":
    main()
