"""Random weights of MakeHuman's shape targets: adults of every sex, age, build and ancestry, with local variation.

Part of `python -m tools.open_face_model`.
"""

from __future__ import annotations

import numpy as np

# Standard deviation of the half-normal weight of a local target, by the target's folder.
LOCAL_SIGMA = {
    "head": 0.15, "eyes": 0.22, "nose": 0.25, "mouth": 0.25, "ears": 0.25, "cheek": 0.35, "chin": 0.32, "forehead": 0.3,
    "eyebrows": 0.32, "neck": 0.15, "asym": 0.08,
}  # fmt: skip
MAX_LOCAL_WEIGHT = 0.9
SIDE_DIFFERENCE = 0.05  # of left and right targets, relative


def sample_target_weights(names: list[str], count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, len(names)) weights of the targets called `names`; names of the head asset, without facial actions."""
    macro = _macro_weights(count, rng)
    local: dict[str, np.ndarray] = {}
    columns = []
    for name in names:
        if name in macro:
            columns.append(macro[name])
        elif name.startswith("loc/"):
            columns.append(_local_weight(name, local, count, rng))
        else:
            columns.append(np.zeros(count))  # children
    return np.stack(columns, axis=1)


def _local_weight(name: str, drawn: dict[str, np.ndarray], count: int, rng: np.random.Generator) -> np.ndarray:
    """Weight (count,) of a local target; both sides of the face share a draw kept in `drawn`."""
    _, folder, target = name.split("/")
    key = target[2:] if target[:2] in ("l-", "r-") else target
    if key not in drawn:
        drawn[key] = np.maximum(0, rng.normal(0, LOCAL_SIGMA[folder], count))
    return np.clip(drawn[key] * (1 + rng.normal(0, SIDE_DIFFERENCE, count)), 0, MAX_LOCAL_WEIGHT)


def _macro_weights(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Weights (count,) of the whole-body targets; those of one person sum to 1 for build and for ancestry."""
    femininity, age = rng.beta(0.35, 0.35, count), np.minimum(rng.beta(1.1, 1.8, count), 0.9)
    muscle, weight = _thirds(rng.beta(2, 2, count)), _thirds(rng.beta(2, 2.6, count))
    ancestry = rng.dirichlet([0.55, 0.55, 0.55], count).T
    weights = {}
    for sex, sex_share in (("male", 1 - femininity), ("female", femininity)):
        for years, age_share in (("young", 1 - age), ("old", age)):
            group = sex_share * age_share
            for m, muscle_share in muscle.items():
                for w, weight_share in weight.items():
                    weights[f"uni/{sex}-{years}-{m}-{w}"] = group * muscle_share * weight_share
            for race, share in zip(("african", "asian", "caucasian"), ancestry, strict=True):
                weights[f"race/{race}-{sex}-{years}"] = group * share
    return weights


def _thirds(x: np.ndarray) -> dict[str, np.ndarray]:
    """Shares of MakeHuman's three steps for values in [0, 1]."""
    return {"min": np.maximum(0, 1 - 2 * x), "average": 1 - np.abs(2 * x - 1), "max": np.maximum(0, 2 * x - 1)}
