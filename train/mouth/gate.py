"""Whether the model may ship: `python -m train.mouth.gate RUN/model CLIP... --people 12 [--sheets FOLDER]`.

Every clip's most shut mouth is the source of its open ones; the people are rendered and new. Figures are means over
frames, inside the lips of the aligned image of 256 px; the last line says which conditions hold.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from diffusionact.images import model_to_uint8
from diffusionact.metrics import flicker, psnr, sharpness
from diffusionact.metrics.sharpness import BLUR_STEPS, MAX_BLUR_PX, blur, detail
from portraits.head import Head

from ..experiments.arguments import check_count, check_files, check_model, input_errors_as_messages
from .fitting import BLUR_PX
from .network import MouthModel
from .scenes import Judge, Scene

# What must hold: dB over the blurred warp, sharpness, dB that another's code costs.
MIN_GAIN, MIN_SHARPNESS, MIN_CODE = 0.5, 0.93, 0.3
# By how much the model may read worse than the warp: what a repetition differs by.
TOLERANCE = {"NME": 0.02, "pose": 0.05, "expression": 0.0005, "flicker": 0.02}
# Frames that are chosen from; of a sheet, of a row, and the part of the aligned image that is shown, twice enlarged.
JUDGED_FRAMES, SHEET_FRAMES, ROW_FRAMES, SHOWN = 60, 15, 3, (slice(140, 230), slice(78, 178))


def equally_sharp(warp: Tensor, model: Tensor, inside: Tensor) -> Tensor:
    """The warp, each image blurred until its mouth is no sharper than the model's."""
    result, limit = warp.clone(), detail(model, inside)
    for step in range(1, BLUR_STEPS + 1):
        sharper = detail(result, inside) > limit
        if not sharper.any():
            break
        result[sharper] = blur(warp[sharper], MAX_BLUR_PX * step / BLUR_STEPS)
    return result


def best_tone(warp: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """The warp, inside the lips in the gain and offset of each channel that come nearest to the truth."""
    weight = inside.float() / inside.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean, wanted = ((weight * images).sum(dim=(2, 3), keepdim=True) for images in (warp, truth))
    apart = weight * (warp - mean)
    gain = (apart * truth).sum(dim=(2, 3), keepdim=True) / (apart * warp).sum(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    return torch.where(inside, wanted + gain * (warp - mean), warp)


def contrast(images: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """(N,) deviation of the brightness inside the lips over the truth's: a grey veil has little."""
    weight = inside.float() / inside.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    deviations = []
    for grey in (images.mean(1, keepdim=True), truth.mean(1, keepdim=True)):
        mean = (weight * grey).sum(dim=(1, 2, 3), keepdim=True)
        deviations.append((weight * (grey - mean).square()).sum(dim=(1, 2, 3)).sqrt())
    return deviations[0] / deviations[1].clamp(min=1e-6)


def figures(judge: Judge, scene: Scene) -> dict[str, dict[str, Tensor]]:
    """method -> figure -> values of the frames."""
    methods = {
        "warp": scene.warp,
        "warp, 0.6 px blur": blur(scene.warp, BLUR_PX),
        "warp, as sharp as the model": equally_sharp(scene.warp, scene.model, scene.inside),
        "model": scene.model,
        "warp, best tone": best_tone(scene.warp, scene.truth, scene.inside),
        "truth inside the lips": scene.oracle,
    }
    truths = judge.read(scene.truth) if not scene.runs else []
    result = {}
    for name, images in methods.items():
        if scene.runs:
            around = F.max_pool2d(scene.inside.float(), 9, 1, 4) > 0
            result[name] = {"flicker": flicker(images, scene.truth, around)[None]}
            continue
        values = {
            "PSNR": psnr(images.clamp(-1, 1), scene.truth, scene.inside),
            "sharpness": sharpness(images, scene.truth, scene.inside),
            "contrast": contrast(images, scene.truth, scene.inside),
        }
        if name in ("warp", "model", "truth inside the lips"):
            values |= _reading(judge.read(images), truths)
        if name == "model" and scene.other is not None:
            values["code, dB"] = values["PSNR"] - psnr(scene.other.clamp(-1, 1), scene.truth, scene.inside)
        result[name] = values
    return result


def _reading(found: list, truths: list) -> dict[str, Tensor]:
    """How far faces read otherwise than the truth: % of the eyes' distance, degrees, mean of 52 values."""
    rows = []
    for ours, truth in zip(found, truths, strict=True):
        if ours is None or truth is None:
            continue
        eyes = (truth[0][33] - truth[0][263]).norm()
        turned = (((ours[1] @ truth[1].T).trace() - 1) / 2).clamp(-1, 1).acos()
        away = 100 * (ours[0] - truth[0]).norm(dim=-1).mean() / eyes
        rows.append(torch.stack([away, torch.rad2deg(turned), (ours[2] - truth[2]).abs().mean()]))
    values = torch.stack(rows).unbind(1) if rows else [torch.zeros(0)] * 3
    return dict(zip(("NME", "pose", "expression"), values, strict=True))


def table(rows: list[dict[str, dict[str, Tensor]]]) -> dict[str, dict[str, float]]:
    """method -> figure -> mean over all frames."""
    result: dict[str, dict[str, float]] = {}
    for name in rows[0]:
        measured: dict[str, list[Tensor]] = {}
        for row in rows:
            for figure, values in row[name].items():
                measured.setdefault(figure, []).append(values)
        joined = {figure: torch.cat(values) for figure, values in measured.items()}
        result[name] = {figure: float(values[values.isfinite()].mean()) for figure, values in joined.items()}
    return result


def conditions(means: dict[str, dict[str, float]]) -> dict[str, bool]:
    """Each condition of the gate that figures tell, and whether it holds."""
    model, warp = means["model"], means["warp"]
    rivals = [means[name]["PSNR"] for name in ("warp, 0.6 px blur", "warp, as sharp as the model")]
    held = {
        f"{MIN_GAIN} dB over the blurred warp": model["PSNR"] - max(rivals) >= MIN_GAIN,
        f"sharpness of {MIN_SHARPNESS}": model["sharpness"] >= MIN_SHARPNESS,
        f"another's code costs {MIN_CODE} dB": model.get("code, dB", 0.0) >= MIN_CODE,
    }
    for figure, tolerance in TOLERANCE.items():
        if figure in warp:
            held[f"no worse {figure}"] = model[figure] <= warp[figure] + tolerance
    return held


def report(title: str, rows: list[dict[str, dict[str, Tensor]]]) -> None:
    """Print the table and the conditions."""
    means = table(rows)
    names = list(dict.fromkeys(figure for values in means.values() for figure in values))
    count = sum(len(row["model"].get("PSNR", ())) for row in rows)
    print(f"\n{title}, {count} frames\n\n| method | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for method, values in means.items():
        cells = (f"{values[name]:.3f}" if name in values else "" for name in names)
        print(f"| {method} | {' | '.join(cells)} |")
    print("; ".join(f"{name}: {'yes' if held else 'NO'}" for name, held in conditions(means).items()), flush=True)


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
    check_model(parser, options.model, "unet/config.json", "train.mouth.fitting")
    torch.set_num_threads(1)
    judge = Judge(MouthModel.load(options.model), options.steps)
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
                report(title, rows)
            else:
                print(f"{title}: no open mouth")
    if options.sheets and frames:
        write_sheets(options.sheets, frames)


def write_sheets(folder: Path, frames: list[tuple[Tensor, Tensor, Tensor]]) -> None:
    """Sheets of truth, one method and the other; `order.txt` keeps where the model is, frame by frame."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(1703)
    frames = [frames[k] for k in generator.permutation(len(frames))[:JUDGED_FRAMES]]
    swapped = generator.random(len(frames)) < 0.5
    cells = []
    for (warp, model, truth), is_second in zip(frames, swapped, strict=True):
        row = torch.stack([truth, model, warp] if is_second else [truth, warp, model])[:, :, SHOWN[0], SHOWN[1]]
        cells.append(torch.cat(list(model_to_uint8(F.interpolate(row, scale_factor=2.0))), dim=1))
    for first in range(0, len(cells), SHEET_FRAMES):
        part = cells[first : first + SHEET_FRAMES]
        part += [torch.zeros_like(part[0])] * (-len(part) % ROW_FRAMES)
        rows = [torch.cat(part[k : k + ROW_FRAMES], dim=1) for k in range(0, len(part), ROW_FRAMES)]
        Image.fromarray(torch.cat(rows).numpy()).save(folder / f"sheet-{first // SHEET_FRAMES}.png")
    (folder / "order.txt").write_text("\n".join("second" if is_second else "third" for is_second in swapped) + "\n")


if __name__ == "__main__":
    main()
