"""Random people: face shape from MakeHuman's targets, then complexion, hair, eyes, clothes and glasses."""

import numpy as np

from .geometry import lerp
from .head import TEETH_UPPER, TONGUE, Head
from .looks import ClothLook, EyeLook, GlassesLook, HairLook, Identity, MouthLook, SkinLook
from .rasteriser import NOISE_PERIOD

# Standard deviation of the half-normal weight of local targets, by folder. Large head targets give tall skulls.
LOCAL_SIGMA = {"head": 0.09, "eyes": 0.2, "nose": 0.2, "mouth": 0.2, "ears": 0.25, "cheek": 0.32, "chin": 0.28,
               "forehead": 0.2, "eyebrows": 0.3, "neck": 0.15}  # fmt: skip
ASYMMETRY_SIGMA = 0.08
HEAD_OUTLINES = ("diamond", "invertedtriangular", "oval", "rectangular", "round", "square", "triangular")
OUTLINE_CHANCE = np.array([2.5, 1, 2, 1, 2.5, 1, 1]) / 11
# sRGB, pale to dark
SKIN_TONES = np.array([[0.95, 0.81, 0.74], [0.90, 0.72, 0.61], [0.81, 0.62, 0.49], [0.67, 0.48, 0.36],
                       [0.50, 0.34, 0.25], [0.35, 0.23, 0.175]], np.float32)  # fmt: skip
# sRGB: black, dark brown, brown, light brown, blond, red, grey, white
HAIR_COLOURS = np.array([[0.085, 0.075, 0.07], [0.16, 0.11, 0.08], [0.25, 0.165, 0.105], [0.38, 0.25, 0.155],
                         [0.66, 0.50, 0.31], [0.42, 0.19, 0.09], [0.52, 0.50, 0.48], [0.76, 0.74, 0.71]])  # fmt: skip
IRIS_COLOURS = np.array([[0.13, 0.06, 0.025], [0.22, 0.11, 0.04], [0.10, 0.17, 0.25], [0.12, 0.2, 0.13],
                         [0.25, 0.25, 0.25], [0.04, 0.02, 0.012]])  # fmt: skip
# Linear: teeth from white to stained.
TOOTH_WHITE, TOOTH_YELLOW = np.array([0.80, 0.77, 0.70]), np.array([0.66, 0.55, 0.38])
STYLES = ("short", "buzz", "bald", "long", "bob", "fringe", "bun")
STYLE_CHANCE_FEMALE = np.array([0.06, 0.01, 0.005, 0.44, 0.22, 0.125, 0.14])
STYLE_CHANCE_MALE = np.array([0.66, 0.16, 0.06, 0.05, 0.02, 0.05, 0.0])


def colour(values) -> np.ndarray:
    """sRGB triple -> linear float32."""
    return np.asarray(values, np.float32) ** 2.2


def _thirds(x: float) -> dict[str, float]:
    return {"min": max(0.0, 1 - 2 * x), "average": 1 - abs(2 * x - 1), "max": max(0.0, 2 * x - 1)}


def _macro_weights(weights: np.ndarray, index: dict[str, int], rng, femininity: float, age: float, ancestry) -> None:
    muscle, weight = _thirds(rng.beta(2, 2)), _thirds(rng.beta(2, 2.6))
    for sex, sex_share in (("male", 1 - femininity), ("female", femininity)):
        for years, age_share in (("young", 1 - age), ("old", age)):
            for m, muscle_share in muscle.items():
                for w, weight_share in weight.items():
                    weights[index[f"uni/{sex}-{years}-{m}-{w}"]] = sex_share * age_share * muscle_share * weight_share
            for race, share in zip(("african", "asian", "caucasian"), ancestry, strict=True):
                weights[index[f"race/{race}-{sex}-{years}"]] = sex_share * age_share * share


def _local_weights(weights: np.ndarray, index: dict[str, int], rng) -> None:
    shared = {}  # left and right targets share a weight
    for name, i in index.items():
        if not name.startswith("loc/"):
            continue
        folder, target = name.split("/")[1:]
        if folder == "asym":
            weights[i] = max(0.0, rng.normal(0, ASYMMETRY_SIGMA))
            continue
        key = target[2:] if target[:2] in ("l-", "r-") else target
        if key not in shared:
            sigma = LOCAL_SIGMA[folder] * (0.5 if "trans" in key else 1)
            if any(word in key for word in ("pointed", "angle-in", "angle-out", "age")):
                sigma = 0
            shared[key] = max(0.0, rng.normal(0, sigma))
        weights[i] = np.clip(shared[key] * (1 + rng.normal(0, 0.05)), 0, 0.8)
    for outline in HEAD_OUTLINES:
        weights[index[f"loc/head/head-{outline}"]] = 0
    outline, amount = rng.choice(HEAD_OUTLINES, p=OUTLINE_CHANCE), rng.uniform(0.05, 0.45)
    if rng.random() < 0.7:
        weights[index[f"loc/head/head-{outline}"]] = amount


def _hair_colour(rng, dark: float, age: float) -> np.ndarray:
    chance = np.array([3, 3, 2.2, 1.2, 1, 0.4, 0.08, 0.02])
    if dark > 0.6:
        chance = np.array([6, 3, 0.5, 0.06, 0.02, 0.01, 0.05, 0.01])
    if age > 0.5:
        chance = chance * 0.4
        chance[6:] += (2, 1.2)
    picked = HAIR_COLOURS[rng.choice(8, p=chance / chance.sum())] * rng.uniform(0.8, 1.25)
    dyed, dye = rng.random() < 0.008, rng.uniform(0.1, 0.7, 3)
    return colour(np.clip(dye if dyed else picked, 0.03, 0.9))


def _sample_hair(rng, female: bool, femininity: float, age: float, ancestry) -> HairLook:
    chance = STYLE_CHANCE_FEMALE if female else STYLE_CHANCE_MALE
    style = STYLES[rng.choice(len(STYLES), p=chance / chance.sum())]
    front = rng.uniform(7.56, 7.68) if style == "fringe" else rng.uniform(7.84, 8.0) + 0.1 * age * (1 - femininity)
    fixed = {"buzz": 0.02, "bald": 0.0, "short": rng.uniform(0.06, 0.18), "bun": 0.06}
    thickness = fixed.get(style, rng.uniform(0.08, 0.17))
    bottom = {"long": rng.uniform(4.7, 5.8), "bob": rng.uniform(6.05, 6.6)}.get(style, 9.0)
    return HairLook(
        style=style, colour=_hair_colour(rng, ancestry[0] + ancestry[1], age), front=front,
        parting=rng.uniform(-0.35, 0.35), thickness=thickness, side=rng.uniform(0.25, 0.7) if style == "short" else 1.0,
        bottom=bottom, flare=rng.uniform(-0.02, 0.16), wave=rng.uniform(0, 0.045), wave_frequency=rng.uniform(4, 11),
        curtain_angle=np.radians(rng.uniform(46, 70)), strand=rng.uniform(0.25, 0.6),
        curly=rng.random() < 0.15 + 0.5 * ancestry[0],
    )  # fmt: skip


def _skin_colour(rng, ancestry) -> tuple[np.ndarray, float]:
    tone = float(np.clip(ancestry @ np.array([4.6, 1.5, 0.7]) + rng.normal(0, 0.6), 0, 4.99))
    step = int(tone)
    srgb = lerp(SKIN_TONES[step], SKIN_TONES[step + 1], tone - step)
    green, blue, light = rng.normal(0, 0.012), rng.normal(0, 0.02), rng.normal(1, 0.035)
    srgb = srgb * light * np.array([1, 1 + green, 1 + green + blue])
    return colour(np.clip(srgb, 0.1, 0.97)), tone / 5


def _sample_skin(rng, female: bool, femininity: float, age: float, ancestry, hair: HairLook) -> SkinLook:
    skin, tone = _skin_colour(rng, ancestry)
    made_up = bool(female and rng.random() < 0.55)
    natural_lip = skin * np.array([0.84, 0.56, 0.56], np.float32) + np.array([0.035, 0.0, 0.004], np.float32)
    lipstick = np.array([rng.uniform(0.25, 0.6), rng.uniform(0.03, 0.16), rng.uniform(0.04, 0.18)], np.float32)
    beard = 0.0 if female else rng.choice([0, 0.3, 0.6, 1.0], p=[0.5, 0.25, 0.13, 0.12]) * rng.uniform(0.6, 1)
    return SkinLook(
        colour=skin, tone=tone, seed=rng.uniform(0, NOISE_PERIOD, 3).astype(np.float32),
        lip_colour=lerp(natural_lip, lipstick, 0.6 * made_up * rng.random() ** 0.5),
        lip_shine=0.15 + 0.45 * made_up * rng.random(), blush=rng.uniform(0.15, 0.7),
        freckles=rng.uniform(0.3, 0.9) if rng.random() < 0.18 and tone < 0.5 else 0.0,
        shine=rng.uniform(0.08, 0.4), bump=rng.uniform(0.2, 0.9) + 0.8 * age,
        liner=rng.uniform(0.35, 0.95) if female else rng.uniform(0.15, 0.4),
        shadow=made_up * rng.uniform(0, 0.5), shadow_colour=rng.uniform(0.03, 0.2, 3).astype(np.float32),
        brow_width=lerp(0.038, 0.023, femininity) * rng.uniform(0.8, 1.3), brow_opacity=rng.uniform(0.5, 0.9),
        brow_colour=np.clip(hair.colour * 0.6 + np.array([0.006, 0.005, 0.004], np.float32), 0, 0.22),
        beard=float(beard), moustache=rng.uniform(0.3, 1) if beard else 0.0, beard_colour=hair.colour * 0.8,
    )  # fmt: skip


def _sample_eyes(rng, dark: float) -> EyeLook:
    chance = np.array([0.35, 0.1, 0.02, 0.02, 0.01, 0.5]) if dark > 0.6 else np.array([3, 2, 1.5, 1, 0.5, 3]) / 11
    iris = IRIS_COLOURS[rng.choice(6, p=chance)] * rng.uniform(0.8, 1.5)
    return EyeLook(iris.astype(np.float32), pupil=rng.uniform(0.16, 0.25), iris=rng.uniform(0.44, 0.48))


def _sample_mouth(seed: np.ndarray) -> MouthLook:
    """Drawn from the skin's seed, so that all else of a person is as it was before mouths differed."""
    rng = np.random.default_rng((1000 * seed).astype(np.int64))
    yellow, tone = rng.beta(1.5, 2.5), rng.uniform(0.82, 1.2)
    tooth = lerp(TOOTH_WHITE, TOOTH_YELLOW, yellow) * tone
    gum = np.array([0.42, 0.13, 0.12], np.float32) * rng.uniform(0.6, 1.2) * rng.uniform(0.85, 1.15, 3)
    tongue = np.array([0.42, 0.12, 0.115], np.float32) * rng.uniform(0.6, 1.25) * rng.uniform(0.85, 1.15, 3)
    return MouthLook(
        tooth_colour=tooth.astype(np.float32), gum_colour=gum.astype(np.float32),
        tongue_colour=tongue.astype(np.float32), teeth_per_radian=rng.uniform(7.8, 9.2),
        unevenness=rng.uniform(0.3, 1.6), depth_light=rng.uniform(0.02, 0.35), upper_drop=rng.uniform(0.0, 0.05),
        tongue_drop=rng.uniform(0.06, 0.24), tongue_back=rng.uniform(0.0, 0.12),
    )  # fmt: skip


def _placed(shape: np.ndarray, head: Head, look: MouthLook) -> np.ndarray:
    """Rest vertices with the upper teeth and the tongue where this person has them."""
    upper, tongue = (np.unique(head.faces[head.part == part]) for part in (TEETH_UPPER, TONGUE))
    shape[upper, 1] -= look.upper_drop
    shape[tongue] -= np.array([0, look.tongue_drop, look.tongue_back], np.float32)
    return shape


def _sample_cloth(rng) -> ClothLook:
    first, second = rng.uniform(0.03, 0.8, (2, 3))
    muted = lerp(first, first.mean(), rng.uniform(0.3, 0.95)), lerp(second, second.mean(), rng.uniform(0.2, 0.9))
    return ClothLook(
        *(np.asarray(c, np.float32) ** 1.6 for c in muted), pattern=int(rng.choice(4, p=[0.65, 0.13, 0.1, 0.12])),
        neckline=int(rng.choice(3)), neck_height=rng.uniform(5.65, 6.0),
    )  # fmt: skip


def _sample_glasses(rng) -> GlassesLook:
    tinted = rng.uniform((0.02, 0.01, 0.01), (0.25, 0.1, 0.1))
    return GlassesLook(
        width=rng.uniform(0.22, 0.27), height=rng.uniform(0.15, 0.21), squareness=rng.uniform(2, 4.5),
        thickness=rng.uniform(0.008, 0.016), drop=rng.uniform(-0.03, 0.0),
        colour=(tinted if rng.random() < 0.4 else np.array([0.015, 0.015, 0.018])).astype(np.float32),
    )  # fmt: skip


def sample_identity(head: Head, rng: np.random.Generator) -> Identity:
    """Draw a person; the generator's state alone decides who."""
    femininity, age = rng.beta(0.3, 0.3), min(rng.beta(1.1, 2.0), 0.85)
    ancestry = rng.dirichlet([0.6, 0.6, 0.6])
    index = {name: i for i, name in enumerate(head.shape_names)}
    weights = np.zeros(len(index), np.float32)
    _macro_weights(weights, index, rng, femininity, age, ancestry)
    _local_weights(weights, index, rng)
    female = femininity > 0.5
    hair = _sample_hair(rng, female, femininity, age, ancestry)
    skin = _sample_skin(rng, female, femininity, age, ancestry, hair)
    mouth = _sample_mouth(skin.seed)
    return Identity(
        shape=_placed(head.vertices + (weights @ head.shapes).reshape(-1, 3), head, mouth), shape_weights=weights,
        femininity=femininity, age=age, ancestry=ancestry, skin=skin, hair=hair, mouth=mouth,
        eyes=_sample_eyes(rng, ancestry[0] + ancestry[1]), cloth=_sample_cloth(rng),
        glasses=_sample_glasses(rng) if rng.random() < 0.14 else None,
    )  # fmt: skip
