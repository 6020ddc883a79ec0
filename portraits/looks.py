"""What one person looks like: plain values drawn once per identity. Colours are linear RGB (3,) float32."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SkinLook:
    """Complexion, make-up, brows and beard."""

    colour: np.ndarray
    tone: float  # 0 palest, 1 darkest
    seed: np.ndarray
    lip_colour: np.ndarray
    lip_shine: float
    blush: float
    freckles: float
    shine: float
    bump: float
    liner: float
    shadow: float
    shadow_colour: np.ndarray
    brow_width: float
    brow_opacity: float
    brow_colour: np.ndarray
    beard: float
    moustache: float
    beard_colour: np.ndarray


@dataclass(frozen=True)
class HairLook:
    """Cut and colour; heights and lengths in decimetres of the template."""

    style: str
    colour: np.ndarray
    front: float
    parting: float
    thickness: float
    side: float
    bottom: float  # height at which loose hair ends; above the head when there is none
    flare: float
    wave: float
    wave_frequency: float
    curtain_angle: float
    strand: float
    curly: bool

    @property
    def loose(self) -> bool:
        """True for hair that hangs below the ears."""
        return self.bottom < 8


@dataclass(frozen=True)
class EyeLook:
    """Iris colour and angular radii (radians) of pupil and iris."""

    iris_colour: np.ndarray
    pupil: float
    iris: float


@dataclass(frozen=True)
class MouthLook:
    """Colours of teeth, gums and tongue, and where they lie; decimetres of the template."""

    tooth_colour: np.ndarray
    gum_colour: np.ndarray
    tongue_colour: np.ndarray
    teeth_per_radian: float
    unevenness: float  # of the teeth's brightness, and of the gaps between them
    depth_light: float  # share of the light that reaches the back of the mouth
    upper_drop: float
    tongue_drop: float
    tongue_back: float


@dataclass(frozen=True)
class ClothLook:
    """A shirt: colours, pattern (0 plain, 1 stripes, 2 checks, 3 blots), neckline (0 round, 1 V, 2 boat)."""

    colour: np.ndarray
    second: np.ndarray
    pattern: int
    neckline: int
    neck_height: float


@dataclass(frozen=True)
class GlassesLook:
    """Frame of a pair of glasses, decimetres."""

    width: float
    height: float
    squareness: float
    thickness: float
    colour: np.ndarray
    drop: float


@dataclass(frozen=True)
class Identity:
    """A person: rest vertices and joints (N+J,3), shape weights, and looks."""

    shape: np.ndarray
    shape_weights: np.ndarray
    femininity: float
    age: float
    ancestry: np.ndarray  # african, asian, caucasian; sums to 1
    skin: SkinLook
    hair: HairLook
    eyes: EyeLook
    mouth: MouthLook
    cloth: ClothLook
    glasses: GlassesLook | None
