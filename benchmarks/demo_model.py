"""How well a model re-enacts held-out synthetic heads, where the truth is known.

    python benchmarks/demo_model.py --data data/heldout128 --pairs 96

Self reenactment: source and target are two frames of one person whom the model never saw; the landmark map is the
target's true one. Printed against copying the source, with the tracker's own ceiling (the same figures on the truth).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from diffusionact import DiffusionActPipeline, OpenFaceTracker  # noqa: E402
from diffusionact.face.errors import NoFaceFoundError  # noqa: E402
from diffusionact.face.expression_names import EXPRESSION_NAMES  # noqa: E402
from diffusionact.images import model_to_uint8, resize, save_png, uint8_to_model  # noqa: E402
from train.data.frames import Frames  # noqa: E402
from train.data.pairs import held_out_pairs  # noqa: E402
from train.validation import picture_grid, psnr  # noqa: E402

BATCH = 16
TRACKED_SIZE = 256
JAW_OPEN = EXPRESSION_NAMES.index("jawOpen")


def reenact(pipeline: DiffusionActPipeline, source: Tensor, landmark_map: Tensor, own_map: Tensor, steps) -> Tensor:
    """Pictures (B, 3, H, W) of the sources under the landmark maps."""
    inversion_steps, inference_steps = steps
    code = pipeline.reenactment_encoder(source, own_map)
    x_T = pipeline.invert(source, code, inversion_steps)
    return pipeline.sample(x_T, pipeline.reenactment_encoder(source, landmark_map), inference_steps)


def tracked(pictures: Tensor) -> np.ndarray:
    """(B, 3) yaw, pitch in degrees and jawOpen as our tracker sees them; NaN where it sees no face."""
    tracker, rows = OpenFaceTracker("largest", "error"), []
    for picture in model_to_uint8(resize(pictures, TRACKED_SIZE)):
        try:
            seen = tracker.observe(picture[None])
        except NoFaceFoundError:
            rows.append([np.nan] * 3)
            continue
        rows.append([*seen.head_pose[0, :2].tolist(), float(seen.expression[0, JAW_OPEN])])
    return np.array(rows)


def correlations(seen: np.ndarray, truth: np.ndarray) -> list[float]:
    """Pearson's r of each column over the rows where a face was seen."""
    rows = ~np.isnan(seen[:, 0])
    return [round(float(np.corrcoef(seen[rows, column], truth[rows, column])[0, 1]), 3) for column in range(3)]


@torch.no_grad()
def measure(pipeline: DiffusionActPipeline, frames: Frames, count: int, steps, sheet: Path | None) -> list[dict]:
    """Rows of the table: copied source, reenacted, truth."""
    sources, targets = held_out_pairs(frames.identity, np.arange(len(frames)), count, 0)

    def gather(name: str, chosen: np.ndarray) -> Tensor:
        return uint8_to_model(frames.pictures(name, chosen))

    source, truth = gather("image", sources), gather("image", targets)
    wanted, own = gather("landmark_map", targets), gather("landmark_map", sources)
    batches = zip(source.split(BATCH), wanted.split(BATCH), own.split(BATCH), strict=True)
    output = torch.cat([reenact(pipeline, *batch, steps) for batch in batches])
    if sheet:
        shown = slice(0, 12)
        grid = picture_grid([source[shown], wanted[shown], output[shown], truth[shown]])
        save_png(sheet, grid)
    names = frames.expression_names
    pose = frames.facts("head_pose")[targets]
    facts = np.stack([pose[:, 0], pose[:, 1], frames.facts("expression")[targets][:, names.index("jawOpen")]], axis=1)
    rows = []
    for name, pictures in (("copied source", source), ("reenacted", output), ("truth", truth)):
        seen = tracked(pictures)
        yaw, pitch, jaw = correlations(seen, facts)
        level = None if name == "truth" else round(psnr(pictures, truth), 2)
        found = int((~np.isnan(seen[:, 0])).sum())
        rows.append({"picture": name, "psnr_db": level, "yaw_r": yaw, "pitch_r": pitch, "jaw_r": jaw, "found": found})
    return rows


def main() -> None:
    """Print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="shards of held-out synthetic heads")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--pairs", type=int, default=96)
    parser.add_argument("--inversion-steps", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--sheet", type=Path, help="contact sheet: source, landmark map, reenacted, truth")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    pipeline = DiffusionActPipeline.from_pretrained(options.model)
    frames = Frames(options.data, pipeline.sample_size, validation_every=2)
    rows = measure(pipeline, frames, options.pairs, (options.inversion_steps, options.steps), options.sheet)
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    if options.output:
        options.output.write_text(json.dumps({"pairs": rows[-1]["found"], "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
