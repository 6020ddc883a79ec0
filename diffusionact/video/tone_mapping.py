"""HDR video (PQ, HLG; ITU-R BT.2100) as an ordinary display shows it.

Diffuse white lies at 203 cd/m2 (ITU-R BT.2408) and becomes nearly white. Up to KNEE of it light is kept, so that faces
have the brightness of ordinary video; what is brighter is compressed smoothly, in its hue. BT.2020 becomes BT.709.
"""

from __future__ import annotations

from functools import cache

import numpy as np

PQ, HLG = 16, 18  # H.273 transfer characteristics
DIFFUSE_WHITE = 203.0  # cd/m2
HLG_PEAK = 1000.0  # cd/m2, the reference display of HLG
HLG_SYSTEM_GAMMA = 1.2  # of that display
KNEE = 0.75  # share of diffuse white
LEVELS = 65536
# ITU-R BT.2087, linear light.
BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
BT2020_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)


def tone_map(pixels: np.ndarray, transfer: int) -> np.ndarray:
    """Map HDR levels to those of an sRGB image.

    Args:
        pixels: (H, W, 3) uint16 RGB, full range, BT.2020 primaries.
        transfer: PQ or HLG.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    light = _linear_levels(transfer)[pixels]
    if transfer == HLG:
        # BT.2100's OOTF: scene light to the light of the display.
        luminance = light @ BT2020_LUMINANCE
        light = light * (HLG_PEAK / DIFFUSE_WHITE * luminance ** (HLG_SYSTEM_GAMMA - 1))[..., None]
    light = np.maximum(light @ BT2020_TO_BT709.T, 0)
    brightest = np.maximum(light.max(axis=2, keepdims=True), 1e-6)
    above = np.maximum(brightest - KNEE, 0) / (1 - KNEE)
    compressed = np.minimum(brightest, KNEE) + (1 - KNEE) * -np.expm1(-above)
    shown = light * (compressed / brightest)
    return _srgb_levels()[np.rint(shown.clip(0, 1) * (LEVELS - 1)).astype(np.uint16)]


@cache
def _linear_levels(transfer: int) -> np.ndarray:
    """(65536,) float32: light of each level; PQ in units of diffuse white, HLG as scene light in [0, 1]."""
    signal = np.arange(LEVELS) / (LEVELS - 1)
    if transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(np.float32)
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128  # SMPTE ST 2084
    root = signal ** (1 / m2)
    light = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return (light * 10000 / DIFFUSE_WHITE).astype(np.float32)


@cache
def _srgb_levels() -> np.ndarray:
    """(65536,) uint8: sRGB level of linear light in steps of 1 / 65535 (IEC 61966-2-1)."""
    light = np.arange(LEVELS) / (LEVELS - 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255).astype(np.uint8)
