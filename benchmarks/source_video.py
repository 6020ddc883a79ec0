"""A clip as the source, measured: what comes back where the driver is the source, and how steady another driver is.

    python benchmarks/source_video.py [SOURCE] [DRIVER] [--seconds 1] [--sheet sheet.png]

"Outside" leaves out the boxes of mouth and eyes, half as large again. Jitter is the second difference in time of
points that an expression does not move (nose and corners of the eyes), in percent of the distance between the eyes:
root mean square, of the source clip and of the result. Flicker is that of the pixels around the face, in grey levels.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from diffusionact import DiffusionActPipeline, PoseOptions, images
from diffusionact.face.geometry.ibug68 import EYES
from diffusionact.face.pose.editing import PoseMix
from diffusionact.pipelines.source_video import face_driver, stream_source_video
from diffusionact.video import open_frames

CLIP = Path(__file__).resolve().parents[1] / "diffusionact" / "demo" / "media" / "photo_driving.mp4"
MOUTH = tuple(range(48, 68))
STILL = (*range(27, 36), 36, 39, 42, 45)
EXPRESSION = PoseMix(gaze=1.0, brows=1.0, eyes=1.0, mouth=1.0)


def reenacted(pipeline: DiffusionActPipeline, source: list[Tensor], driver: list[Tensor], rate: float) -> list[Tensor]:
    """Whole frames of the source with the driver's expression."""
    options = PoseOptions()
    faces = pipeline.face_reader.read(iter(driver), options, rate)
    drive = face_driver(pipeline, faces, options, EXPRESSION, "ping-pong")
    stream = stream_source_video(pipeline, source, drive, options, rate, keeps_head=True)
    return [frame.image for frame in stream]


def landmarks(pipeline: DiffusionActPipeline, frames: list[Tensor]) -> Tensor:
    """(F, 68, 2) px of each frame by itself, unsmoothed."""
    tracker = pipeline.face_reader.make_tracker("largest", "interpolate", 0.5)
    return torch.cat([seen.landmarks for seen in tracker.stream(iter(frames))])


def outside(points: Tensor, size: tuple[int, int]) -> Tensor:
    """(F, H, W) True outside of mouth and eyes."""
    kept = torch.ones(len(points), *size, dtype=torch.bool)
    for index, frame in enumerate(points):
        for part in (MOUTH, *EYES):
            low, high = frame[list(part)].amin(0), frame[list(part)].amax(0)
            grown = 0.25 * (high - low).max()
            left, top = (low - grown).floor().int().clamp(min=0).tolist()
            right, bottom = (high + grown).ceil().int().tolist()
            kept[index, top : bottom + 1, left : right + 1] = False
    return kept


def masked_psnr(one: Tensor, other: Tensor, kept: Tensor) -> float:
    """dB over the pixels that are kept, of uint8 (F, H, W, 3)."""
    error = (one.float() - other.float()).square().mean(-1)[kept].mean()
    return float(10 * torch.log10(255.0**2 / error))


def jitter_percent(points: Tensor) -> float:
    """Root mean square of the second difference of still points, percent of the distance between the eyes."""
    eyes = (points[:, 36:42].mean(1) - points[:, 42:48].mean(1)).norm(dim=-1).mean()
    still = points[:, list(STILL)]
    return float(100 * (still[2:] - 2 * still[1:-1] + still[:-2]).square().mean().sqrt() / eyes)


def flicker(frames: Tensor, kept: Tensor) -> float:
    """Root mean square of the second difference of the pixels that are kept, grey levels."""
    grey = frames.float().mean(-1)
    change = (grey[2:] - 2 * grey[1:-1] + grey[:-2]).square()
    return float(change[kept[2:] & kept[1:-1] & kept[:-2]].mean().sqrt())


def main() -> None:
    """Measure, print JSON, and draw a sheet where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, default=CLIP)
    parser.add_argument("driver", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    pipeline = DiffusionActPipeline.from_pretrained("photo")
    clip = open_frames(options.source, 0, options.seconds, is_constant=True)
    source, rate = list(clip), float(clip.frame_rate)
    started = time.perf_counter()
    same = reenacted(pipeline, source, source, rate)
    seconds = (time.perf_counter() - started) / len(same)
    points = landmarks(pipeline, source)
    kept = outside(points, clip.size)
    found = {
        "frames": len(same),
        "size": list(clip.size),
        "seconds_per_frame": round(seconds, 2),
        "driver_is_source_psnr_outside_db": round(masked_psnr(torch.stack(same), torch.stack(source), kept), 2),
        "driver_is_source_psnr_db": round(masked_psnr(torch.stack(same), torch.stack(source), kept | True), 2),
        "jitter_source_percent": round(jitter_percent(points), 3),
        "flicker_source": round(flicker(torch.stack(source), kept), 3),
    }
    if options.driver is not None:
        driver = list(islice(open_frames(options.driver, frame_rate=clip.frame_rate), len(source)))
        other = reenacted(pipeline, source, driver, rate)
        found["jitter_result_percent"] = round(jitter_percent(landmarks(pipeline, other)), 3)
        found["flicker_result"] = round(flicker(torch.stack(other), kept), 3)
        if options.sheet:
            images.save_png(options.sheet, _sheet(source, driver, other))
    print(json.dumps(found, indent=2))


def _sheet(*rows: list[Tensor], columns: int = 6, side: int = 320) -> Tensor:
    chosen = torch.linspace(0, len(rows[0]) - 1, columns).long().tolist()
    return torch.cat([torch.cat([images.middle_square(row[i % len(row)], side) for i in chosen], 1) for row in rows])


if __name__ == "__main__":
    main()
