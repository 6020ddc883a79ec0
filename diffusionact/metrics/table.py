"""The metrics by their names in the paper's tables, with direction and unit, for reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from .face_pose import aed, apd, nme
from .identity import csim, tg_id, tl_id
from .images import l1, psnr, ssim
from .perceptual_distance import lpips


@dataclass(frozen=True)
class Metric:
    """One column of a report.

    Attributes:
        function: what computes it.
        higher_is_better: the direction.
        best: its value for results equal to the truth.
        unit: in words; empty for a bare number.
        needs: what the function compares: "images", "embeddings", "clips" (embeddings of a clip's frames),
            "landmarks", "head_pose" or "expression".
    """

    function: Callable[..., Tensor]
    higher_is_better: bool
    best: float
    unit: str
    needs: str


METRICS: dict[str, Metric] = {
    "PSNR": Metric(psnr, True, float("inf"), "dB", "images"),
    "SSIM": Metric(ssim, True, 1.0, "", "images"),
    "CSIM": Metric(csim, True, 1.0, "", "embeddings"),
    "LPIPS": Metric(lpips, False, 0.0, "", "images"),
    "L1": Metric(l1, False, 0.0, "of the range -1 to 1", "images"),
    "NME": Metric(nme, False, 0.0, "thousandths of the face's size", "landmarks"),
    "APD": Metric(apd, False, 0.0, "degrees", "head_pose"),
    "AED": Metric(aed, False, 0.0, "sum of coefficients", "expression"),
    "TL-ID": Metric(tl_id, True, 1.0, "", "clips"),
    "TG-ID": Metric(tg_id, True, 1.0, "", "clips"),
}
