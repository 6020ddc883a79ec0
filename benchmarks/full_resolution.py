"""Full-resolution detail against enlarging and against a plain paste, in self reenactment.

    OMP_NUM_THREADS=1 python benchmarks/full_resolution.py head.mp4 --models demo photo --sizes 512 1024 \\
        --output benchmarks/results/full_resolution.json

Each clip drives a frame of its own, so that its other frames are the truth, cut out at the wanted side. Compared are
the model's frame enlarged bicubically, as a plain paste shows it (bilinear), and with the photo's detail; the warp
alone stands beside them. `photo` is rendered at 256 px for this, and treated as any other engine. Sides beyond 1.25
times that of the face in the clip are left out: the truth has no such detail. Pixels beyond the clip's border are not
scored.

Sharpness is the variance of the Laplacian as a share of the truth's; the feature distance is that of LPIPS with the
bundled judge network, which looks at the images at their own size, unweighted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from diffusionact import DiffusionActPipeline, PoseOptions, SourceCodes  # noqa: E402
from diffusionact.face.geometry.alignment import cut_crop, invert_transform, transform_points  # noqa: E402
from diffusionact.face.geometry.resize import resize_crop  # noqa: E402
from diffusionact.generation.photo_detail import PhotoDetail  # noqa: E402
from diffusionact.generation.warp import WarpConfig, WarpEngine  # noqa: E402
from diffusionact.images import model_to_uint8, resize, save_png, uint8_to_model  # noqa: E402
from diffusionact.metrics import psnr, ssim  # noqa: E402
from diffusionact.perception.open_perception import load_portrait_net  # noqa: E402
from diffusionact.pipelines.full_resolution import SOURCE_SIZE, output_side  # noqa: E402
from diffusionact.types import CropTransform, FacePose  # noqa: E402
from diffusionact.video import open_frames  # noqa: E402

STILL = PoseOptions(smoothing=0.0, missing="error")
WARP_SIZE = 256
MAX_ENLARGEMENT = 1.25
STAGES = 3  # of the judge network, the finest
LAPLACIAN = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
WAYS = ("enlarged", "plain paste", "with detail", "warp alone")


@dataclass(frozen=True)
class Shot:
    """A driving frame, the pose read from it, the model's frame in this pose, and where the face is in the frame."""

    frame: Tensor
    pose: FacePose
    image: Tensor
    crop: CropTransform


def main() -> None:
    """Print a row per clip, model and size, and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+", help="videos, animated images or images of one person each")
    parser.add_argument("--models", nargs="+", default=["demo", "photo"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512])
    parser.add_argument("--source-frame", type=int, default=0, help="which frame of a clip is the photo")
    parser.add_argument("--frames", type=int, default=6, help="of each clip, evenly spaced")
    parser.add_argument("--sheets", type=Path, help="folder for comparisons at 1:1")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    judge, rows = load_portrait_net("judge"), []
    for model in options.models:
        pipeline = load(model)
        for clip in options.clips:
            rows += measure_clip(pipeline, model, clip, options, judge)
    if options.output:
        options.output.write_text(json.dumps({"frames": options.frames, "rows": rows}, indent=2) + "\n")


def load(model: str) -> DiffusionActPipeline:
    """The pipeline of a model; photo renders at 256 px, as other engines do."""
    if model == "photo":
        return DiffusionActPipeline(WarpEngine(WarpConfig(sample_size=WARP_SIZE)))
    return DiffusionActPipeline.from_pretrained(model)


def measure_clip(
    pipeline: DiffusionActPipeline, model: str, clip: Path, options: argparse.Namespace, judge: torch.nn.Module
) -> list[dict]:
    """Rows of one clip, one for each size."""
    frames = list(open_frames(clip))
    frames = frames[options.source_frame :] + frames[: options.source_frame]
    source = pipeline.encode_source(frames[0])
    step = max(1, (len(frames) - 1) // options.frames)
    # A single image drives itself: then the figures are those of its own pose.
    shots = list(shots_of(pipeline, source, frames[step::step][: options.frames] or frames))
    rows = []
    for size in options.sizes:
        if size > MAX_ENLARGEMENT * output_side(source, SOURCE_SIZE):
            continue
        detail = PhotoDetail(source, frames[0], size)
        compared = [compare(detail, shot, size) for shot in shots]
        figures = {
            way: mean_figures([(shown[way], truth, real) for shown, truth, real in compared], judge) for way in WAYS
        }
        rows.append({"clip": clip.stem, "model": model, "size": size, "frames": len(shots), **figures})
        print_row(rows[-1])
        if options.sheets:
            save_sheet(options.sheets / f"{clip.stem}_{model}_{size}.png", *compared[-1][:2])
    return rows


def shots_of(pipeline: DiffusionActPipeline, source: SourceCodes, frames: list[Tensor]) -> Iterator[Shot]:
    """Yield what the model makes of each frame."""
    preset = pipeline.presets.get("balanced")
    for frame in frames:
        face = next(pipeline.face_reader.read([frame], STILL, 25.0))
        pose = pipeline.extract_pose_from(iter([face]), source, STILL)
        steps, scheduler = (preset.num_inference_steps, preset.scheduler) if preset else (None, None)
        image = pipeline.decode(source, pipeline.reenact(source, pose), steps, scheduler)
        yield Shot(frame, pose, image, face.crop)


def compare(detail: PhotoDetail, shot: Shot, size: int) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """The four ways and the truth, (1, 3, size, size) each; beyond the clip's border all are the truth.

    The third is (size, size) bool, where the clip is.
    """
    truth = uint8_to_model(cut_crop(shot.frame, shot.crop, size)[None])
    real = real_pixels(shot, size)
    shown = {
        "enlarged": F.interpolate(shot.image, size=size, mode="bicubic", align_corners=False).clamp(-1, 1),
        "plain paste": F.interpolate(shot.image, size=size, mode="bilinear", align_corners=False),
        "with detail": detail.add(shot.image, shot.pose),
        "warp alone": detail.warped(shot.pose).images,
    }
    return {way: torch.where(real, image, truth) for way, image in shown.items()}, truth, real


def real_pixels(shot: Shot, size: int) -> Tensor:
    """(size, size) bool, where the crop lies in the frame."""
    y, x = torch.meshgrid(*[torch.arange(size, dtype=torch.float32)] * 2, indexing="ij")
    points = torch.stack([x, y], -1).view(1, -1, 2)
    places = transform_points(invert_transform(resize_crop(shot.crop, size).matrix.float()), points)[0]
    height, width = shot.frame.shape[:2]
    inside = (places >= 0).all(-1) & (places <= places.new_tensor([width - 1.0, height - 1.0])).all(-1)
    return inside.view(size, size)


def mean_figures(rows: list[tuple[Tensor, Tensor, Tensor]], judge: torch.nn.Module) -> dict[str, float]:
    """PSNR, SSIM, feature distance and sharpness, each the mean over frames."""
    figures = [
        {
            "psnr": float(psnr(image, truth)),
            "ssim": float(ssim(image, truth)),
            "feature_distance": feature_distance(image, truth, judge),
            "sharpness": sharpness(image, real) / sharpness(truth, real),
        }
        for image, truth, real in rows
    ]
    return {name: round(sum(row[name] for row in figures) / len(figures), 4) for name in figures[0]}


@torch.no_grad()
def feature_distance(image: Tensor, truth: Tensor, judge: torch.nn.Module) -> float:
    """Squared difference of unit-length features, the mean over positions, summed over stages."""
    distance = 0.0
    for one, other in zip(*(judge.look(batch)[0][:STAGES] for batch in (image, truth)), strict=True):
        distance += float((F.normalize(one, dim=1) - F.normalize(other, dim=1)).square().sum(1).mean())
    return distance


def sharpness(image: Tensor, real: Tensor) -> float:
    """Variance of the Laplacian of the mean of the channels, levels from 0 to 255, away from the clip's border."""
    grey = (image.mean(1, keepdim=True) + 1) * 127.5
    within = -F.max_pool2d(-F.pad(real[None, None].float(), (1, 1, 1, 1)), 5, stride=1, padding=1)[0, 0] > 0.5
    return float(F.conv2d(grey, LAPLACIAN[None, None], padding=1)[0, 0][within].var())


def save_sheet(path: Path, shown: dict[str, Tensor], truth: Tensor) -> None:
    """All ways and the truth side by side, at 1:1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = torch.cat([*shown.values(), truth], dim=-1)
    save_png(path, model_to_uint8(resize(row, tuple(row.shape[2:])))[0])


def print_row(row: dict) -> None:
    """One line for each way."""
    print(f"{row['clip']}, {row['model']}, {row['size']} px")
    for way in WAYS:
        figures = ", ".join(f"{name} {value:.3f}" for name, value in row[way].items())
        print(f"  {way:12} {figures}", flush=True)


if __name__ == "__main__":
    main()
