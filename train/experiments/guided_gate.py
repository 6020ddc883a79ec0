"""What the gates of the guided models share: figures beside the truth, conditions, sheets without names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from diffusionact.face.readers.open.face_model import OpenFaceModel
from diffusionact.face.readers.open.landmarker import FaceLandmarker
from diffusionact.images import model_to_uint8
from diffusionact.metrics.sharpness import BLUR_STEPS, MAX_BLUR_PX, blur, detail

BLURRED, EQUALLY_SHARP = "warp, 0.6 px blur", "warp, as sharp as the model"
MIN_SHARPNESS = 0.93
# By how much the model may read worse than the warp: what a repetition differs by.
TOLERANCE = {"NME": 0.02, "pose": 0.05, "expression": 0.0005, "flicker": 0.02}
JUDGED_FRAMES = 60
# Mesh (478, 2) px, rotation (3, 3) and expression (52,) of an image.
Reading = tuple[Tensor, Tensor, Tensor]
Measured = dict[str, dict[str, Tensor]]


class FaceJudge:
    """Reads faces of frames and of results.

    Attributes:
        landmarker, face_model: the bundled ones.
    """

    def __init__(self) -> None:
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


def print_table(title: str, rows: Sequence[Measured]) -> dict[str, dict[str, float]]:
    """Print the means, and return them."""
    means = table(rows)
    names = list(dict.fromkeys(figure for values in means.values() for figure in values))
    count = sum(len(row["model"].get("PSNR", ())) for row in rows)
    print(f"\n{title}, {count} frames\n\n| method | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for method, values in means.items():
        cells = (f"{values[name]:.3f}" if name in values else "" for name in names)
        print(f"| {method} | {' | '.join(cells)} |")
    return means


def print_conditions(held: dict[str, bool]) -> None:
    """Print which conditions hold."""
    print("; ".join(f"{name}: {'yes' if holds else 'NO'}" for name, holds in held.items()), flush=True)


def write_sheets(
    folder: Path, frames: Iterable[tuple[Tensor, Tensor, Tensor]], enlarged: float, layout: tuple[int, int]
) -> None:
    """Sheets of truth, one method and the other; `order.txt` keeps where the model is, frame by frame.

    Args:
        folder: is made.
        frames: warp, model, truth (3, h, w) in [-1, 1] of each frame.
        enlarged: by this factor.
        layout: frames of a row, rows of a sheet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator, frames = np.random.default_rng(1703), list(frames)
    frames = [frames[k] for k in generator.permutation(len(frames))[:JUDGED_FRAMES]]
    swapped = generator.random(len(frames)) < 0.5
    cells = []
    for (warp, model, truth), is_second in zip(frames, swapped, strict=True):
        row = torch.stack([truth, model, warp] if is_second else [truth, warp, model])
        cells.append(torch.cat(list(model_to_uint8(F.interpolate(row, scale_factor=enlarged))), dim=1))
    across, per_sheet = layout[0], layout[0] * layout[1]
    for first in range(0, len(cells), per_sheet):
        part = cells[first : first + per_sheet]
        part += [torch.zeros_like(part[0])] * (-len(part) % across)
        rows = [torch.cat(part[k : k + across], dim=1) for k in range(0, len(part), across)]
        Image.fromarray(torch.cat(rows).numpy()).save(folder / f"sheet-{first // per_sheet}.png")
    (folder / "order.txt").write_text("\n".join("second" if is_second else "third" for is_second in swapped) + "\n")
