"""The figures of the paper's tables: stateless functions with one value an image (or a clip), and their mean.

Every function says formula, direction, range and unit; `METRICS` holds the same as a table. Networks stay outside:
embeddings, landmarks and coefficients come in as tensors.
"""

from .face_pose import aed, apd, nme
from .identity import csim, tg_id, tl_id
from .images import l1, psnr, ssim
from .mean import MetricMean
from .perceptual_distance import load_lpips, lpips
from .table import METRICS, Metric

__all__ = [
    "METRICS",
    "Metric",
    "MetricMean",
    "aed",
    "apd",
    "csim",
    "l1",
    "load_lpips",
    "lpips",
    "nme",
    "psnr",
    "ssim",
    "tg_id",
    "tl_id",
]
