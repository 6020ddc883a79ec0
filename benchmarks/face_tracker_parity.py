"""How closely the bundled face landmarker follows the `mediapipe` package: same faces, same points, same turn.

`python -m benchmarks.face_tracker_parity --task FACE_LANDMARKER_TASK --clips CLIP [CLIP ...]` prints a table and writes
benchmarks/results/face_tracker_parity.json. Needs `mediapipe` (1.x), which the product never does.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageSequence
from torch import Tensor

from diffusionact.face.landmarker import FaceLandmarker, Faces

RESULTS = Path(__file__).with_name("results") / "face_tracker_parity.json"
REFERENCE_SIZE = 512  # pixel distances are told for a picture of this side
NUM_FACES = 4
SAME_FACE_DISTANCE = 0.5  # mean distance of two meshes of one face is less than this many face widths


@dataclass(frozen=True)
class ReferenceFace:
    """One face as `mediapipe` sees it: points (478, 2) px, blendshapes (52,), rotation (3, 3)."""

    points: np.ndarray
    blendshapes: np.ndarray
    rotation: np.ndarray


@dataclass(frozen=True)
class Parity:
    """Differences over the frames of one clip; `same_faces` counts frames with the reference's faces and no other."""

    frames: int
    same_faces: int
    faces: int
    landmarks_mean_px: float
    landmarks_worst_px: float
    blendshapes_mean: float
    rotation_mean_deg: float
    rotation_worst_deg: float
    cpu_ms_per_frame: float


class ReferenceLandmarker:
    """The `mediapipe` package on the original task file, in still-image mode."""

    def __init__(self, task: Path):
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        self.mediapipe = mediapipe
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(task)),
            num_faces=NUM_FACES,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        self.landmarker = vision.FaceLandmarker.create_from_options(options)

    def __call__(self, frame: np.ndarray) -> list[ReferenceFace]:
        """Faces of one frame (H, W, 3) uint8."""
        image = self.mediapipe.Image(image_format=self.mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame))
        result = self.landmarker.detect(image)
        size = (frame.shape[1], frame.shape[0])
        faces = zip(result.face_landmarks, result.face_blendshapes, result.facial_transformation_matrixes, strict=True)
        return [
            ReferenceFace(
                np.array([[point.x, point.y] for point in points]) * size,
                np.array([category.score for category in categories]),
                nearest_rotation(np.asarray(matrix)),
            )
            for points, categories, matrix in faces
        ]


def nearest_rotation(transform: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) of a similarity transform (4, 4)."""
    left, _, right = np.linalg.svd(transform[:3, :3].astype(np.float64))
    return left @ right


def read_clip(path: Path) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 of an animated picture."""
    with Image.open(path) as picture:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(picture)])


def differences(reference: ReferenceFace, faces: Faces, scale: float) -> tuple[float, float, float] | None:
    """Mean landmark distance (px after `scale`), mean blendshape difference, rotation difference (degrees).

    The face of `faces` that lies nearest to the reference is compared; None if that is another one.
    """
    if not len(faces):
        return None
    distances = np.linalg.norm(faces.points[..., :2].numpy() - reference.points, axis=-1).mean(1)
    row = int(distances.argmin())
    if distances[row] > SAME_FACE_DISTANCE * np.ptp(reference.points[:, 0]):
        return None
    rotation = nearest_rotation(faces.transforms[row].numpy())
    cosine = (np.trace(rotation.T @ reference.rotation) - 1) / 2
    blendshapes = np.abs(faces.blendshapes[row].numpy() - reference.blendshapes).mean()
    return distances[row] * scale, float(blendshapes), float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def measure(frames: np.ndarray, reference: ReferenceLandmarker, landmarker: FaceLandmarker) -> Parity:
    """Compare both landmarkers on every frame (F, H, W, 3) uint8."""
    rows, same_faces, seconds = [], 0, 0.0
    scale = REFERENCE_SIZE / max(frames.shape[1:3])
    for frame in frames:
        expected = reference(frame)
        start = time.process_time()
        found = landmarker(torch.from_numpy(frame)[None])[0]
        seconds += time.process_time() - start
        compared = [row for face in expected if (row := differences(face, found, scale)) is not None]
        same_faces += len(expected) == len(found) == len(compared)
        rows += compared
    columns = Tensor(rows).reshape(-1, 3)
    return Parity(
        frames=len(frames),
        same_faces=same_faces,
        faces=len(rows),
        landmarks_mean_px=round(columns[:, 0].mean().item(), 4),
        landmarks_worst_px=round(columns[:, 0].max().item(), 4),
        blendshapes_mean=round(columns[:, 1].mean().item(), 5),
        rotation_mean_deg=round(columns[:, 2].mean().item(), 4),
        rotation_worst_deg=round(columns[:, 2].max().item(), 4),
        cpu_ms_per_frame=round(1000 * seconds / len(frames), 1),
    )


def as_table(results: dict[str, Parity]) -> str:
    """Markdown table, one clip a row."""
    lines = [
        "| clip | frames | same faces | landmarks px, mean (worst) | blendshapes | turn deg, mean (worst) | CPU ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, parity in results.items():
        lines.append(
            f"| {name} | {parity.frames} | {parity.same_faces} "
            f"| {parity.landmarks_mean_px:.3f} ({parity.landmarks_worst_px:.3f}) | {parity.blendshapes_mean:.4f} "
            f"| {parity.rotation_mean_deg:.3f} ({parity.rotation_worst_deg:.3f}) | {parity.cpu_ms_per_frame:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", type=Path, required=True, help="face_landmarker.task")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="animated pictures (webp, gif)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reference, landmarker = ReferenceLandmarker(arguments.task), FaceLandmarker()
    with torch.inference_mode():
        results = {clip.stem: measure(read_clip(clip), reference, landmarker) for clip in arguments.clips}
    reference.landmarker.close()
    print(as_table(results))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    report = {"clips": {name: asdict(parity) for name, parity in results.items()}}
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
