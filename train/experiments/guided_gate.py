"""What the gates of the guided models share: figures beside the truth, conditions, sheets without names."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.face.readers.open.landmarker import FaceLandmarker
from diffusionact.images import model_to_uint8
from diffusionact.metrics import flicker, psnr, sharpness
from diffusionact.metrics.sharpness import BLUR_STEPS, MAX_BLUR_PX, blur, detail
from portraits.head import Head

from .arguments import check_count, check_files, check_model, input_errors_as_messages
from .guided_fitting import BLUR_PX

BLURRED, EQUALLY_SHARP, ORACLE = "warp, 0.6 px blur", "warp, as sharp as the model", "truth in the region"
MIN_SHARPNESS = 0.93
# By how much the model may read worse than the warp: what a repetition differs by.
TOLERANCE = {"NME": 0.02, "pose": 0.05, "expression": 0.0005, "flicker": 0.02}
JUDGED_FRAMES = 60
# Mesh (478, 2) px, rotation (3, 3) and expression (52,) of an image.
Reading = tuple[Tensor, Tensor, Tensor]
# Of the means by method and figure, what must hold and whether it does.
Conditions = Callable[[dict[str, dict[str, float]]], dict[str, bool]]
Measured = dict[str, dict[str, Tensor]]


class FaceJudge:
    """Reads faces of frames and of results.

    Attributes:
        landmarker, face_model: the bundled ones.
        paint_ms: processor time that the model took per frame, of each scene.
    """

    def __init__(self) -> None:
        self.paint_ms: list[float] = []
        self.landmarker, self.face_model = FaceLandmarker().eval(), OpenFaceModel.from_bundled()

    def meshes(self, frames: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Of frames (H, W, 3) uint8 those that show one face, and its mesh (N, 478, 3) px."""
        faces = [self.landmarker(frame[None])[0] for frame in frames]
        kept = [k for k, face in enumerate(faces) if len(face) == 1]
        points = [faces[k].points[0] for k in kept]
        return [frames[k] for k in kept], torch.stack(points) if points else torch.zeros(0, 478, 3)

    def read(self, images: Tensor) -> list[Reading | None]:
        """The face of each image (N, 3, S, S) in [-1, 1]; None where none is found."""
        result: list[Reading | None] = []
        for frame in model_to_uint8(images):
            faces = self.landmarker(frame[None])[0]
            if not len(faces):
                result.append(None)
                continue
            turn = self.landmarker.geometry.apparent_rotation(faces.points[:1])[0]
            result.append((faces.points[0, :, :2], turn, faces.blendshapes[0]))
        return result


def reading_figures(found: list[Reading | None], truths: list[Reading | None]) -> dict[str, Tensor]:
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


def equally_sharp(warp: Tensor, model: Tensor, inside: Tensor) -> Tensor:
    """The warp, each image blurred until it is no sharper than the model's inside a region (N, 1, S, S) bool."""
    result, limit = warp.clone(), detail(model, inside)
    for step in range(1, BLUR_STEPS + 1):
        sharper = detail(result, inside) > limit
        if not sharper.any():
            break
        result[sharper] = blur(warp[sharper], MAX_BLUR_PX * step / BLUR_STEPS)
    return result


def best_tone(warp: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """The warp, inside a region in the gain and offset of each channel that come nearest to the truth."""
    weight = inside.float() / inside.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean, wanted = ((weight * images).sum(dim=(2, 3), keepdim=True) for images in (warp, truth))
    apart = weight * (warp - mean)
    gain = (apart * truth).sum(dim=(2, 3), keepdim=True) / (apart * warp).sum(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    return torch.where(inside, wanted + gain * (warp - mean), warp)


def contrast(images: Tensor, truth: Tensor, inside: Tensor) -> Tensor:
    """(N,) deviation of the brightness inside a region over the truth's: a grey veil has little."""
    weight = inside.float() / inside.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    deviations = []
    for grey in (images.mean(1, keepdim=True), truth.mean(1, keepdim=True)):
        mean = (weight * grey).sum(dim=(1, 2, 3), keepdim=True)
        deviations.append((weight * (grey - mean).square()).sum(dim=(1, 2, 3)).sqrt())
    return deviations[0] / deviations[1].clamp(min=1e-6)


@dataclass(frozen=True)
class Scene:
    """N frames of one person: how the warp drew them, how the model did, and how they were.

    Attributes:
        warp, model, truth, oracle: (N, 3, S, S) in [-1, 1]; the oracle has the truth where the model may change.
        other: the model with the code of another person, the one before; None for the first.
        inside: (N, 1, S, S) bool, the region that is measured.
        runs: whether the frames follow one another.
    """

    warp: Tensor
    model: Tensor
    other: Tensor | None
    truth: Tensor
    oracle: Tensor
    inside: Tensor
    runs: bool


def figures(judge: FaceJudge, scene: Scene) -> Measured:
    """method -> figure -> values of the frames."""
    methods = {
        "warp": scene.warp,
        BLURRED: blur(scene.warp, BLUR_PX),
        EQUALLY_SHARP: equally_sharp(scene.warp, scene.model, scene.inside),
        "model": scene.model,
        "warp, best tone": best_tone(scene.warp, scene.truth, scene.inside),
        ORACLE: scene.oracle,
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
        if name in ("warp", "model", ORACLE):
            values |= reading_figures(judge.read(images), truths)
        if name == "model" and scene.other is not None:
            values["code, dB"] = values["PSNR"] - psnr(scene.other.clamp(-1, 1), scene.truth, scene.inside)
        result[name] = values
    return result


def table(rows: Sequence[Measured]) -> dict[str, dict[str, float]]:
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


def conditions(means: dict[str, dict[str, float]], min_gain: float) -> dict[str, bool]:
    """Each condition that all gates have, and whether it holds; `min_gain` is dB over the blurred warp."""
    model, warp = means["model"], means["warp"]
    best = max(means[name]["PSNR"] for name in (BLURRED, EQUALLY_SHARP))
    held = {
        f"{min_gain} dB over the blurred warp": model["PSNR"] - best >= min_gain,
        f"sharpness of {MIN_SHARPNESS}": model["sharpness"] >= MIN_SHARPNESS,
    }
    for figure, tolerance in TOLERANCE.items():
        if figure in warp:
            held[f"no worse {figure}"] = model[figure] <= warp[figure] + tolerance
    return held


def report(title: str, rows: Sequence[Measured], held: Conditions) -> None:
    """Print the means, and which of the conditions hold that `held` makes of them."""
    means = table(rows)
    names = list(dict.fromkeys(figure for values in means.values() for figure in values))
    count = sum(len(row["model"].get("PSNR", ())) for row in rows)
    print(f"\n{title}, {count} frames\n\n| method | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for method, values in means.items():
        cells = (f"{values[name]:.3f}" if name in values else "" for name in names)
        print(f"| {method} | {' | '.join(cells)} |")
    print("; ".join(f"{name}: {'yes' if holds else 'NO'}" for name, holds in held(means).items()), flush=True)


@dataclass(frozen=True)
class Sheets:
    """How frames are shown to choose from.

    Attributes:
        enlarged: by this factor.
        layout: frames of a row, rows of a sheet.
        part: rows and columns of the aligned image.
    """

    enlarged: float
    layout: tuple[int, int]
    part: tuple[slice, slice] = (slice(None), slice(None))

    def shown(self, scene: Scene) -> Iterable[tuple[Tensor, Tensor, Tensor]]:
        """Warp, model and truth (3, h, w) of each frame."""
        images = (images[:, :, self.part[0], self.part[1]] for images in (scene.warp, scene.model, scene.truth))
        return zip(*images, strict=True)


def write_sheets(folder: Path, frames: Sequence[tuple[Tensor, Tensor, Tensor]], sheets: Sheets) -> None:
    """Sheets of truth, one method and the other; `order.txt` keeps where the model is, frame by frame.

    Args:
        folder: is made.
        frames: warp, model, truth (3, h, w) in [-1, 1] of each frame.
        sheets: how they are shown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(1703)
    frames = [frames[k] for k in generator.permutation(len(frames))[:JUDGED_FRAMES]]
    swapped = generator.random(len(frames)) < 0.5
    cells = []
    for (warp, model, truth), is_second in zip(frames, swapped, strict=True):
        row = torch.stack([truth, model, warp] if is_second else [truth, warp, model])
        cells.append(torch.cat(list(model_to_uint8(F.interpolate(row, scale_factor=sheets.enlarged))), dim=1))
    across, per_sheet = sheets.layout[0], sheets.layout[0] * sheets.layout[1]
    for first in range(0, len(cells), per_sheet):
        part = cells[first : first + per_sheet]
        part += [torch.zeros_like(part[0])] * (-len(part) % across)
        rows = [torch.cat(part[k : k + across], dim=1) for k in range(0, len(part), across)]
        Image.fromarray(torch.cat(rows).numpy()).save(folder / f"sheet-{first // per_sheet}.png")
    (folder / "order.txt").write_text("\n".join("second" if is_second else "third" for is_second in swapped) + "\n")


class SceneJudge(Protocol):
    """Draws held-out people as the warp and as the model do."""

    def clip(self, path: Path) -> Iterable[Scene]:
        """What a clip shows."""

    def person(self, head: Head, number: int) -> Iterable[Scene]:
        """What a rendered person shows."""


def gate_command(
    description: str,
    fitting: str,
    judge_of: Callable[[Path, int], Any],
    held: Conditions,
    sheets: Sheets,
) -> None:
    """The command MODEL CLIP... --people N --steps N --sheets FOLDER.

    Args:
        description: of the command; its first line is shown.
        fitting: the command that makes models.
        judge_of: a `FaceJudge` that is a `SceneJudge`, of a model's folder and steps of its sampler.
        held: which conditions hold, of the means of a table.
        sheets: how frames are shown.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
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
    check_model(parser, options.model, "unet/config.json", fitting)
    torch.set_num_threads(1)
    judge = judge_of(options.model, options.steps)
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
                    frames += sheets.shown(scene)
            if any("PSNR" in row["model"] for row in rows):
                report(title, rows, held)
            else:
                print(f"{title}: nothing that the model would change")
    if judge.paint_ms:
        print(f"The model takes {sorted(judge.paint_ms)[len(judge.paint_ms) // 2]:.0f} ms per frame.")
    if options.sheets and frames:
        write_sheets(options.sheets, frames, sheets)
