"""The metrics by their names in the paper's tables, with their direction, for reports."""

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
        function: what computes it: one value per image (B,), or a scalar for a whole clip.
        higher_is_better: the direction.
    """

    function: Callable[..., Tensor]
    higher_is_better: bool


METRICS: dict[str, Metric] = {
    "PSNR": Metric(psnr, True),
    "SSIM": Metric(ssim, True),
    "CSIM": Metric(csim, True),
    "LPIPS": Metric(lpips, False),
    "L1": Metric(l1, False),
    "NME": Metric(nme, False),
    "APD": Metric(apd, False),
    "AED": Metric(aed, False),
    "TL-ID": Metric(tl_id, True),
    "TG-ID": Metric(tg_id, True),
}
