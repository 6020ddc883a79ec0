"""Broad light on a face: fitted to the source's skin, put right when the head turns under it.

Second-order spherical harmonics hold nearly all that distant light does to a matt surface (Ramamoorthi and Hanrahan,
On the relationship between radiance and irradiance, JOSA A 2001). Normals are unit vectors of the camera's frame, x
right, y up, z towards the camera. Images are RGB in [0, 1] as files store them; light is linear (gamma 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

GAMMA = 2.2
NUM_HARMONICS = 9
MIN_RATIO, MAX_RATIO = 0.6, 1.6  # of the light now to the light in the source, gamma encoded as the image is
MIN_SHADING = 0.1  # of the mean: deeper than this no face lies in shadow
# Ridge of each harmonic, per unit of weight: skin is not one colour, and its patches must not become lamps.
RIDGE = (0.0, 0.0005, 0.0005, 0.0005, 0.002, 0.002, 0.002, 0.002, 0.002)
COLOUR_RIDGE = 0.01  # that holds the colours' light to the light's of all colours
ROBUST_ROUNDS = 4
FIELD_SIDE = 64  # px, longest side of the field of light
FIELD_BLUR = 1  # px of the field
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of linear sRGB, ITU-R BT.709


@dataclass(frozen=True)
class Light:
    """Light times skin colour: shading of normal n is harmonics(n) @ coefficients.

    Attributes:
        coefficients: (9, 3) linear RGB.
    """

    coefficients: Tensor

    def shading(self, normals: Tensor) -> Tensor:
        """Linear RGB (..., 3) of skin with normals (..., 3); never darker than a tenth of the mean over directions."""
        harmonics = spherical_harmonics(normals)
        floor = MIN_SHADING * spherical_harmonics(normals.new_zeros(3))[0] * self.coefficients[0].abs()
        return torch.maximum(harmonics @ self.coefficients, floor.clamp(min=1e-4))


def spherical_harmonics(normals: Tensor) -> Tensor:
    """Real spherical harmonics of order 0 to 2 (..., 9) of unit vectors (..., 3)."""
    x, y, z = normals.unbind(-1)
    first = [torch.full_like(x, 0.282095), 0.488603 * y, 0.488603 * z, 0.488603 * x]
    second = [1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3 * z * z - 1), 1.092548 * x * z]
    return torch.stack([*first, *second, 0.546274 * (x * x - y * y)], dim=-1)


def fit_light(image: Tensor, normals: Tensor, weight: Tensor) -> Light:
    """Light of a source, from pixels or points of its skin.

    Regularised least squares; what fits badly (brows, beard, highlights, cast shadow) counts less in later rounds.

    Args:
        image: (N, 3) colours in [0, 1].
        normals: (N, 3) unit vectors of the camera's frame.
        weight: (N,) trust that the colour is skin's, at least 0.

    Raises:
        ValueError: if the lengths differ.
    """
    if not len(image) == len(normals) == len(weight):
        raise ValueError(
            f"Expected as many colours as normals and weights, received {len(image)}, {len(normals)}, {len(weight)}; "
            f"pass one row per point."
        )
    linear = image.float().clamp(0, 1) ** GAMMA
    grey = linear @ linear.new_tensor(LUMINANCE)
    harmonics = spherical_harmonics(normals.float())
    ridge = torch.diag(linear.new_tensor(RIDGE))
    trust = weight.float().clamp(min=0)
    for _ in range(ROBUST_ROUNDS):
        share = trust / trust.sum().clamp(min=1e-9)
        normal_matrix = harmonics.T @ (share[:, None] * harmonics)
        level = torch.linalg.solve(
            normal_matrix + ridge + 1e-6 * torch.eye(9, device=grey.device), harmonics.T @ (share * grey)
        )
        miss = (harmonics @ level - grey).abs()
        spread = _weighted_median(miss, share).clamp(min=1e-3)
        trust = weight / (1 + (miss / (2 * spread)).square())
    # Each colour: the grey light times the skin's tint, and as much of its own as its pixels insist on.
    expected = harmonics @ level
    tint = (share[:, None] * linear * expected[:, None]).sum(0) / (share * expected.square()).sum().clamp(min=1e-9)
    held = ridge + COLOUR_RIDGE * torch.eye(9, device=grey.device)
    surplus = linear - expected[:, None] * tint
    own = torch.linalg.solve(normal_matrix + held, harmonics.T @ (share[:, None] * surplus))
    return Light(level[:, None] * tint + own)


def _weighted_median(values: Tensor, share: Tensor) -> Tensor:
    order = values.argsort()
    return values[order][torch.searchsorted(share[order].cumsum(0), 0.5).clamp(max=len(values) - 1)]


def light_field(normals_now: Tensor, normals_at_source: Tensor, light: Light, strength: float = 1.0) -> Tensor:
    """What to multiply an image by, so that its surfaces are lit as their turned normals demand.

    The ratio of the shadings, limited, smoothed at low resolution; it fades to 1 where there is no surface.

    Args:
        normals_now: (B, 3, H, W) unit normals in the camera's frame, 0 where there is no surface.
        normals_at_source: (B, 3, H, W) the same surfaces' normals in the source photo.
        light: of the source.
        strength: in [0, 1]; 0 gives 1 everywhere.

    Returns:
        (B, 3, H, W), gamma encoded.

    Raises:
        ValueError: if the shapes differ or the strength is outside [0, 1].
    """
    if normals_now.shape != normals_at_source.shape or normals_now.ndim != 4:
        raise ValueError(
            f"Expected two maps (B, 3, H, W) of normals, received {tuple(normals_now.shape)} and "
            f"{tuple(normals_at_source.shape)}; pass both at the image's size."
        )
    if not 0 <= strength <= 1:
        raise ValueError(f"Expected a strength in [0, 1], received {strength}; 1 is the full change of light.")
    size = normals_now.shape[2:]
    scale = min(1.0, FIELD_SIDE / max(size))
    low = [max(1, round(side * scale)) for side in size]
    known = (normals_now.square().sum(1, keepdim=True) > 0.25) & (
        normals_at_source.square().sum(1, keepdim=True) > 0.25
    )
    share = F.interpolate(known.float(), low, mode="area")
    now, before = (_mean_normals(n, known, low) for n in (normals_now, normals_at_source))
    ratio = (light.shading(now) / light.shading(before)).log().movedim(-1, 1) / GAMMA
    ratio = ratio.clamp(torch.tensor(MIN_RATIO).log().item(), torch.tensor(MAX_RATIO).log().item())
    smooth = _blur(ratio * share) / _blur(share).clamp(min=1e-3)
    faded = smooth * _blur(share).clamp(0, 1)
    return (strength * F.interpolate(faded, size, mode="bilinear", align_corners=False)).exp()


def relight(
    image: Tensor, normals_now: Tensor, normals_at_source: Tensor, light: Light, strength: float = 1.0
) -> Tensor:
    """An image (B, 3, H, W) in [0, 1] under the light that `light_field` describes, clamped to [0, 1]."""
    if strength == 0:
        return image
    return (image * light_field(normals_now, normals_at_source, light, strength)).clamp(0, 1)


def _mean_normals(normals: Tensor, known: Tensor, size: list[int]) -> Tensor:
    """Unit normals (B, h, w, 3) of the low-resolution field."""
    mean = F.interpolate(normals * known, size, mode="area")
    return F.normalize(mean, dim=1).movedim(1, -1)


def _blur(x: Tensor) -> Tensor:
    """Box of 2 FIELD_BLUR + 1 pixels, twice; outside is nothing."""
    for _ in range(2):
        x = F.avg_pool2d(x, 2 * FIELD_BLUR + 1, 1, FIELD_BLUR)
    return x
