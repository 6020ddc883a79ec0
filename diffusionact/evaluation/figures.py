"""The figures of one pair: a value per frame for each metric, and what was seen, for correlations.

Columns are named as in the paper's tables. NaN stands where a face was not found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..face.expression_names import EXPRESSION_NAMES
from ..metrics import aed, apd, closeness, csim, l1, lpips, nme, psnr, ssim, tg_id, tl_id
from .frame_set import FrameSet
from .observer import Seen

JAW_OPEN = EXPRESSION_NAMES.index("jawOpen")
BLINKS = [EXPRESSION_NAMES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]
# Equal images have an infinite PSNR, which has no mean.
EQUAL_DB = 100.0
# What is correlated between result and driver.
MOTIONS = ("yaw", "pitch", "jaw", "blink", "gaze yaw", "gaze pitch")

# Of the 68 landmarks: all but the contour, and where the eyes end outside.
INNER = slice(17, None)
OUTER_EYE_CORNERS = (36, 45)

LpipsNetwork = Callable[[Tensor, Tensor], Tensor]
# By the `compared_by` of a network of face recognition: embeddings (B, D) of results and of the person -> (B,).
LIKENESSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cosine": csim, "distance": closeness}


@dataclass(frozen=True)
class Measured:
    """One pair, one method.

    Attributes:
        values: metric -> a value per frame.
        clip_values: metric -> one value of the whole clip.
        motion: (F, 6) of the result, in the order of `MOTIONS`: degrees, [0, 1], radians.
        wanted: (F, 6) of the driving frames, as the observer sees them.
        found: for every frame, whether the result shows a face.
    """

    values: dict[str, list[float]]
    clip_values: dict[str, float]
    motion: list[list[float]]
    wanted: list[list[float]]
    found: list[bool]


def measure(
    seen: Seen,
    driving: Seen,
    person: Seen,
    images: tuple[Tensor, Tensor] | None,
    lpips_network: LpipsNetwork | None,
    compared_by: str = "cosine",
    region: Tensor | None = None,
) -> Measured:
    """Compare results with what was asked for.

    Args:
        seen: in the results, F rows.
        driving: in the driving frames, F rows.
        person: whose identity is to be kept, F rows: the driving frames of self reenactment, else the source.
        images: results and truth (F, 3, H, H) in [-1, 1], on the device of `lpips_network`; None where there is no
            truth.
        lpips_network: None leaves LPIPS out.
        compared_by: how embeddings are compared, key of `LIKENESSES`.
        region: (F, 1, H, H) bool, on the images' device: the pixels that count in PSNR, SSIM and L1; None is all.
    """
    values = {
        "CSIM": LIKENESSES[compared_by](seen.embedding, person.embedding),
        "APD": apd(seen.head_pose, driving.head_pose),
        "AED": aed(seen.expression, driving.expression),
        "gaze": gaze_error_deg(seen.gaze, driving.gaze),
    }
    clip_values = {}
    if images is not None:
        values["PSNR"] = psnr(*images, region).clamp(max=EQUAL_DB)
        values |= {"SSIM": ssim(*images, region), "L1": l1(*images, region)}
        values["NME"] = nme_where_seen(seen, driving)
        if lpips_network is not None:
            values["LPIPS"] = lpips(*images, lpips_network)
        if len(seen.found) > 1:
            clip_values = {
                name: float(metric(seen.embedding, driving.embedding))
                for name, metric in (("TL-ID", tl_id), ("TG-ID", tg_id))
            }
    return Measured(
        values={name: value.tolist() for name, value in values.items()},
        clip_values=clip_values,
        motion=motion_of(seen.head_pose, seen.expression[:, JAW_OPEN], blink_of(seen.expression), seen.gaze).tolist(),
        wanted=motion_of(
            driving.head_pose, driving.expression[:, JAW_OPEN], blink_of(driving.expression), driving.gaze
        ).tolist(),
        found=seen.found.tolist(),
    )


def nme_where_seen(seen: Seen, driving: Seen) -> Tensor:
    """NME (F,) of the frames that show a face in both; NaN in the others."""
    both = seen.found & driving.found
    errors = torch.full((len(both),), torch.nan)
    if both.any():
        errors[both] = nme(seen.landmarks[both], driving.landmarks[both])
    return errors


def gaze_error_deg(gaze: Tensor, truth: Tensor) -> Tensor:
    """Angle between two directions of gaze; lower is better.

    Args:
        gaze: (B, 2) pitch, yaw in radians.
        truth: the same of the true images.

    Returns:
        (B,) degrees in [0, 180].
    """
    # The arc tangent keeps small angles, which a cosine in single precision loses.
    first, second = (_direction(angles.double()) for angles in (gaze, truth))
    angle = torch.atan2(torch.linalg.cross(first, second).norm(dim=-1), (first * second).sum(dim=-1))
    return torch.rad2deg(angle).float()


def blink_of(expression: Tensor) -> Tensor:
    """How far the eyes are shut (B,), the mean of both, of expressions (B, 52)."""
    return expression[:, BLINKS].mean(dim=1)


def motion_of(head_pose: Tensor, jaw: Tensor, blink: Tensor, gaze: Tensor) -> Tensor:
    """Columns (B, 6) in the order of `MOTIONS`."""
    return torch.stack([head_pose[:, 0], head_pose[:, 1], jaw, blink, gaze[:, 1], gaze[:, 0]], dim=1)


def true_motion(frames: FrameSet, rows: list[int]) -> Tensor:
    """The same columns of the facts beside the frames, which are the truth where the frames were rendered.

    A blink is the mean of both eyes' entries; NaN where the set's expression has no such entries.
    """
    names = frames.expression_names
    expression = frames.expression[rows]

    def entry(*wanted: str) -> Tensor:
        if not set(wanted) <= set(names):
            return torch.full((len(rows),), torch.nan)
        return expression[:, [names.index(name) for name in wanted]].mean(dim=1)

    blink = entry(*(EXPRESSION_NAMES[index] for index in BLINKS))
    return motion_of(frames.head_pose[rows], entry("jawOpen"), blink, frames.gaze[rows])


def landmark_error_percent(landmarks: Tensor, wanted: Tensor) -> Tensor:
    """Mean distance (B,) of the inner 51 landmarks, percent of the wanted outer eye corners' distance.

    The contour is left out: it slides along the face. For single frames; the metric NME of the tables is another one.

    Args:
        landmarks: (B, 68, 2) px.
        wanted: the same of what was asked for.
    """
    right, left = (wanted[:, corner] for corner in OUTER_EYE_CORNERS)
    distance = (landmarks - wanted)[:, INNER].norm(dim=-1).mean(dim=1)
    return 100.0 * distance / (left - right).norm(dim=-1)


def pearson(first: Tensor, second: Tensor) -> float:
    """Pearson's r of two columns over the rows where both are finite; NaN where one does not vary."""
    both = torch.stack([first, second]).double()
    both = both[:, both.isfinite().all(dim=0)]
    if both.shape[1] < 3 or bool((both.std(dim=1) < 1e-9).any()):
        return float("nan")
    return float(torch.corrcoef(both)[0, 1])


def _direction(gaze: Tensor) -> Tensor:
    """Unit vectors (B, 3) of pitch and yaw."""
    pitch, yaw = gaze.unbind(dim=-1)
    return torch.stack([yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos()], dim=-1)
