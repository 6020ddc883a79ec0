"""Where the person is: lights, a blurred background, distance of the camera, exposure."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from .geometry import lerp

BACKGROUND_SIZE = 64


@dataclass(frozen=True)
class Light:
    """A distant lamp: unit direction (3,) toward it, strength, colour (3,)."""

    direction: np.ndarray
    strength: float
    colour: np.ndarray


@dataclass(frozen=True)
class Scene:
    """Surroundings of one identity. `background` is sRGB (64,64,3) in [0,1]; `distance` in decimetres."""

    ambient: float
    tint: np.ndarray
    sky: Light
    lamps: list[Light]
    background: np.ndarray
    distance: float
    exposure: float


def _muted(rng, saturated: bool) -> np.ndarray:
    """A random colour (3,), close to grey unless `saturated`."""
    value = rng.uniform(0.05, 0.92, 3)
    grey = rng.uniform(0.2, 0.8) if saturated else rng.uniform(0.65, 0.97)
    return lerp(value, value.mean(), grey)


def _sample_background(rng) -> np.ndarray:
    saturated = rng.random() < 0.1
    first, second = _muted(rng, saturated), _muted(rng, saturated)
    y, x = np.meshgrid(np.linspace(-1, 1, BACKGROUND_SIZE), np.linspace(-1, 1, BACKGROUND_SIZE), indexing="ij")
    angle = rng.uniform(0, 2 * math.pi)
    t = 0.5 + 0.5 * (x * math.cos(angle) + y * math.sin(angle)) / 1.42
    image = lerp(first, lerp(first, second, 0.5), t[..., None])
    for _ in range(rng.integers(0, 9)):
        cx, cy, width, height = rng.uniform((-1, -1, 0.08, 0.08), (1, 1, 0.7, 0.9))
        inside = (np.abs(x - cx) / width <= 1) & (np.abs(y - cy) / height <= 1)
        if rng.random() > 0.6:
            inside = ((x - cx) / width) ** 2 + ((y - cy) / height) ** 2 <= 1
        cover = rng.uniform(0.2, 0.8) * inside[..., None]
        image = lerp(image, _muted(rng, saturated), cover)
    image = Image.fromarray((image.clip(0, 1) * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 5))), np.float32) / 255


def _sample_lamp(rng, order: int) -> Light:
    azimuth, elevation = rng.uniform(-1.3, 1.3), rng.uniform(0.05, 1.0)
    direction = [math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation)]
    warmth, coloured, hue = rng.normal(0.03, 0.09), rng.random() < 0.03, rng.uniform(0.7, 1.2, 3)
    white = np.array([1 + warmth, 1, 1 - warmth])
    strength = rng.uniform(0.6, 1.25) / (1 + 0.8 * order)
    return Light(np.array(direction, np.float32), strength, (hue if coloured else white).astype(np.float32))


def sample_scene(rng: np.random.Generator) -> Scene:
    """Draw surroundings."""
    ambient, balance = rng.uniform(0.22, 0.6), rng.normal(0, 0.045)
    sky = Light(np.array([0, 1, 0], np.float32), rng.uniform(0, 0.5) * ambient, np.array([0.95, 1, 1.08], np.float32))
    lamps = [_sample_lamp(rng, order) for order in range(rng.integers(1, 4))]
    return Scene(
        ambient=ambient, tint=np.array([1 + balance, 1, 1 - balance], np.float32), sky=sky, lamps=lamps,
        background=_sample_background(rng), distance=rng.uniform(9, 22), exposure=rng.uniform(0.88, 1.2),
    )  # fmt: skip
