"""Whether the model may ship: `python -m train.surface.gate RUN/model CLIP... --people 12 [--sheets FOLDER]`.

The sources of a clip are its most frontal frame and those turned farthest to each side; the people are rendered and
new. Figures are means over frames, where the model paints in the aligned image of 256 px; the last line says which
conditions hold.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.metrics import flicker, psnr, sharpness
from diffusionact.metrics.sharpness import blur
from portraits.head import Head

from ..experiments.arguments import check_count, check_files, check_model, input_errors_as_messages
from ..experiments.guided_fitting import BLUR_PX
from ..experiments.guided_gate import (
    BLURRED,
    EQUALLY_SHARP,
    Measured,
    best_tone,
    conditions,
    contrast,
    equally_sharp,
    print_conditions,
    print_table,
    reading_figures,
    write_sheets,
)
from .network import SurfaceModel
from .scenes import Judge, Scene

MIN_GAIN = 0.3
SHEET_LAYOUT = (2, 5)


def figures(judge: Judge, scene: Scene) -> Measured:
    """method -> figure -> values of the frames."""
    methods = {
        "warp": scene.warp,
        BLURRED: blur(scene.warp, BLUR_PX),
        EQUALLY_SHARP: equally_sharp(scene.warp, scene.model, scene.inside),
        "model": scene.model,
        "warp, best tone": best_tone(scene.warp, scene.truth, scene.inside),
    }
    if scene.runs:
        around = F.max_pool2d(scene.inside.float(), 9, 1, 4) > 0
        return {name: {"flicker": flicker(images, scene.truth, around)[None]} for name, images in methods.items()}
    truths, result = judge.read(scene.truth), {}
    for name, images in methods.items():
        values = {
            "PSNR": psnr(images.clamp(-1, 1), scene.truth, scene.inside),
            "sharpness": sharpness(images, scene.truth, scene.inside),
            "contrast": contrast(images, scene.truth, scene.inside),
        }
        if name in ("warp", "model"):
            values |= reading_figures(judge.read(images), truths)
        if name == "model" and scene.other is not None:
            values["code, dB"] = values["PSNR"] - psnr(scene.other.clamp(-1, 1), scene.truth, scene.inside)
        result[name] = values
    return result


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("clips", type=Path, nargs="*")
    parser.add_argument("--people", type=int, default=12, help="rendered, default: %(default)s")
    parser.add_argument("--steps", type=int, default=1, help="of the sampler, default: %(default)s")
    parser.add_argument("--sheets", type=Path, help="folder for shuffled sheets of warp and model, to choose from")
    options = parser.parse_args()
    check_files(parser, options.clips)
    if not options.clips and options.people < 1:
        parser.error("expected clips or people, received neither; name clips or leave --people at its default")
    check_count(parser, "steps", options.steps)
    check_model(parser, options.model, "unet/config.json", "train.surface.fitting")
    torch.set_num_threads(1)
    judge = Judge(SurfaceModel.load(options.model), options.steps)
    frames: list[tuple[Tensor, Tensor, Tensor]] = []
    sets = {}
    if options.clips:
        sets["Clips"] = (scene for clip in options.clips for scene in judge.clip(clip))
    if options.people > 0:
        head = Head()
        sets["Rendered people"] = (scene for k in range(options.people) for scene in judge.person(head, k))
    with torch.inference_mode(), input_errors_as_messages(parser):
        for title, scenes in sets.items():
            rows = []
            for scene in scenes:
                rows.append(figures(judge, scene))
                if not scene.runs:
                    frames += zip(scene.warp, scene.model, scene.truth, strict=True)
            if any("PSNR" in row["model"] for row in rows):
                print_conditions(conditions(print_table(title, rows), MIN_GAIN))
            else:
                print(f"{title}: no turned head")
    if options.sheets and frames:
        write_sheets(options.sheets, frames, 1.0, SHEET_LAYOUT)


if __name__ == "__main__":
    main()
