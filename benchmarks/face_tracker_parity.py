"""How closely the bundled face landmarker follows the `mediapipe` package: same faces, same points, same turn.

`python -m benchmarks.face_tracker_parity --task FACE_LANDMARKER_TASK --clips CLIP [CLIP ...]` prints a table and writes
benchmarks/results/face_tracker_parity.json; with `--write-golden` instead of clips it keeps what `mediapipe` sees in
`golden_images` for the tests. Needs `mediapipe` (1.x, the extra of that name), which the product never does.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageSequence
from safetensors.numpy import load_file, save_file
from torch import Tensor

from diffusionact.face.readers.open.landmarker import FaceLandmarker, Faces
from diffusionact.images import load_image
from diffusionact.video import open_frames

ROOT = Path(__file__).resolve().parents[1]
DEMO_MEDIA = ROOT / "diffusionact" / "demo" / "media"
GOLDEN = ROOT / "tests" / "face" / "readers" / "open" / "golden_mediapipe.safetensors"
DRIVING_FRAMES = range(0, 100, 18)
RESULTS = Path(__file__).with_name("results") / "face_tracker_parity.json"
REFERENCE_SIZE = 512  # pixel distances are told for an image of this side
NUM_FACES = 4
SAME_FACE_DISTANCE = 0.5  # mean distance of two meshes of one face is less than this many face widths


@dataclass(frozen=True)
class ReferenceFace:
    """One face as `mediapipe` sees it: points (478, 2) px, blendshapes (52,), transform (4, 4) face -> camera."""

    points: np.ndarray
    blendshapes: np.ndarray
    transform: np.ndarray


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
        self.provenance = {
            "mediapipe": mediapipe.__version__,
            "date": datetime.date.today().isoformat(),
            "face_landmarker.task sha256": hashlib.sha256(task.read_bytes()).hexdigest(),
        }
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
                np.asarray(matrix),
            )
            for points, categories, matrix in faces
        ]


def nearest_rotation(transform: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) of a similarity transform (4, 4)."""
    left, _, right = np.linalg.svd(transform[:3, :3].astype(np.float64))
    return left @ right


def read_clip(path: Path) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 of an animated image."""
    with Image.open(path) as image:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)])


def golden_images() -> dict[str, np.ndarray]:
    """Images (H, W, 3) uint8 by name that every checkout with the dev extra has: demo media and NASA's portrait."""
    from skimage.data import astronaut

    frames = islice(open_frames(DEMO_MEDIA / "driving.mp4"), DRIVING_FRAMES[-1] + 1)
    images = {f"driving_{index}": frame.numpy() for index, frame in enumerate(frames) if index in DRIVING_FRAMES}
    return images | {"source": load_image(DEMO_MEDIA / "source.png").numpy(), "astronaut": astronaut()}


def write_golden(reference: ReferenceLandmarker, path: Path = GOLDEN) -> None:
    """Keep the reference's faces in the golden images, with its version and the date in the file's header."""
    tensors = {}
    for name, image in golden_images().items():
        faces = reference(image)
        for field in ReferenceFace.__dataclass_fields__:
            rows = np.stack([getattr(face, field) for face in faces])
            # In C order: mediapipe's matrices are column by column, and safetensors keeps bytes, not strides.
            tensors[f"{name}.{field}"] = np.ascontiguousarray(rows, dtype=np.float32)
    save_file(tensors, path, metadata=reference.provenance)


def read_golden(path: Path = GOLDEN) -> dict[str, list[ReferenceFace]]:
    """Faces by image, as `write_golden` kept them."""
    tensors = load_file(path)
    names = dict.fromkeys(key.partition(".")[0] for key in tensors)
    columns = {name: [tensors[f"{name}.{field}"] for field in ReferenceFace.__dataclass_fields__] for name in names}
    return {name: [ReferenceFace(*row) for row in zip(*column, strict=True)] for name, column in columns.items()}


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
    cosine = (np.trace(rotation.T @ nearest_rotation(reference.transform)) - 1) / 2
    blendshapes = np.abs(faces.blendshapes[row].numpy() - reference.blendshapes).mean()
    return distances[row] * scale, float(blendshapes), float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def measure(
    frames: Iterable[np.ndarray], references: Iterable[list[ReferenceFace]], landmarker: FaceLandmarker
) -> Parity:
    """Compare the landmarker with the reference's faces on every frame (H, W, 3) uint8."""
    rows, num_frames, same_faces, seconds = [], 0, 0, 0.0
    for frame, expected in zip(frames, references, strict=True):
        num_frames += 1
        scale = REFERENCE_SIZE / max(frame.shape[:2])
        start = time.process_time()
        found = landmarker(torch.from_numpy(frame)[None])[0]
        seconds += time.process_time() - start
        compared = [row for face in expected if (row := differences(face, found, scale)) is not None]
        same_faces += len(expected) == len(found) == len(compared)
        rows += compared
    columns = Tensor(rows).reshape(-1, 3)
    return Parity(
        frames=num_frames,
        same_faces=same_faces,
        faces=len(rows),
        landmarks_mean_px=round(columns[:, 0].mean().item(), 4),
        landmarks_worst_px=round(columns[:, 0].max().item(), 4),
        blendshapes_mean=round(columns[:, 1].mean().item(), 5),
        rotation_mean_deg=round(columns[:, 2].mean().item(), 4),
        rotation_worst_deg=round(columns[:, 2].max().item(), 4),
        cpu_ms_per_frame=round(1000 * seconds / num_frames, 1),
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


def compare_clips(clips: list[Path], reference: ReferenceLandmarker, output: Path) -> None:
    """Print the table of all clips and write it as JSON."""
    landmarker, results = FaceLandmarker(), {}
    with torch.inference_mode():
        for clip in clips:
            frames = read_clip(clip)
            results[clip.stem] = measure(frames, map(reference, frames), landmarker)
    print(as_table(results))
    output.parent.mkdir(parents=True, exist_ok=True)
    report = {"clips": {name: asdict(parity) for name, parity in results.items()}}
    output.write_text(json.dumps(report, indent=2) + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", type=Path, required=True, help="face_landmarker.task")
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument("--clips", type=Path, nargs="+", help="compare on these animated images (webp, gif)")
    work.add_argument("--write-golden", action="store_true", help=f"write {GOLDEN.relative_to(ROOT)} instead")
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reference = ReferenceLandmarker(arguments.task)
    if arguments.write_golden:
        write_golden(reference)
    else:
        compare_clips(arguments.clips, reference, arguments.output)
    reference.landmarker.close()


if __name__ == "__main__":
    main()
