"""The figures of the paper's tables: stateless functions with one value per image (or per clip).

Every function states formula, direction, range and unit; `METRICS` is the table of them. Networks stay outside:
embeddings, landmarks and coefficients come in as tensors.
"""

from .face_pose import aed, apd, nme, normalised_expression_distance
from .identity import closeness, csim, tg_id, tl_id
from .images import l1, psnr, ssim
from .perceptual_distance import feature_distance, lpips
from .sharpness import blur, flicker, sharpness, soften
from .table import METRICS, Metric

__all__ = [
    "METRICS",
    "Metric",
    "aed",
    "apd",
    "blur",
    "closeness",
    "csim",
    "feature_distance",
    "flicker",
    "l1",
    "lpips",
    "nme",
    "normalised_expression_distance",
    "psnr",
    "sharpness",
    "soften",
    "ssim",
    "tg_id",
    "tl_id",
]
