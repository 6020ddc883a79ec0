"""Head asset -> the open face model: mean, identity basis and expression directions of the 68 landmarks.

`python -m tools.open_face_model portraits/assets --calibration FILE --output DIR` reads the head that `tools.makehuman`
wrote and what the open face reader saw in rendered portraits (`tools.measure_face_model`), and writes
open_face_model.safetensors and open_face_model.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load, save_file

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.readers.open.face_model import OpenFaceModel, fit_weights

from .face_model_calibration import Calibration
from .identity_sampling import sample_target_weights

NUM_IDENTITY = 40
NUM_SAMPLES = 6000
SEED = 68
NAME = "open_face_model"


def read_landmark_targets(folder: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Landmarks (68, 3) of the template and their displacement (68, 3) by each target of the asset."""
    arrays = load(gzip.decompress((folder / "head.safetensors.gz").read_bytes()))
    text = json.loads((folder / "head.json").read_text())
    corners = np.array([point["vertices"] for point in text["landmarks68"]])
    shares = np.array([point["weights"] for point in text["landmarks68"]])[..., None]
    index, shift = arrays["target_index"].astype(int), arrays["target_shift"].astype(float)
    starts = np.searchsorted(index[:, 0], np.arange(len(text["targets"]) + 1))
    targets = {}
    for number, name in enumerate(text["targets"]):
        rows = slice(starts[number], starts[number + 1])
        displacement = np.zeros_like(arrays["vertices"], dtype=float)
        displacement[index[rows, 1]] = shift[rows]
        targets[name] = (displacement[corners] * shares).sum(1)
    return (arrays["vertices"][corners] * shares).sum(1), targets


def align(faces: np.ndarray, reference: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Faces (N, 68, 3) moved, turned and scaled onto `reference` (68, 3) with the least weighted squared error.

    Pose and distance belong to rotation and camera; what is left is shape.
    """
    share = (weights / weights.sum())[:, None]
    centred = faces - (share * faces).sum(1, keepdims=True)
    target = reference - (share * reference).sum(0)
    left, values, right = np.linalg.svd(np.einsum("nki,kj->nij", share * centred, target))
    handed = np.ones((len(faces), 3))
    handed[:, 2] = np.sign(np.linalg.det(left @ right))
    rotation = (left * handed[:, None]) @ right
    scale = (values * handed).sum(1) / (share * centred**2).sum((1, 2))
    return scale[:, None, None] * centred @ rotation + (share * reference).sum(0)


def identity_model(neutral: np.ndarray, targets: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean face (68, 3), identity basis (K, 68, 3) with unit-variance coefficients, and the kept share of variance."""
    names = [name for name in targets if not name.startswith("act/")]
    weights = sample_target_weights(names, NUM_SAMPLES, np.random.default_rng(SEED))
    faces = neutral + np.tensordot(weights, np.stack([targets[name] for name in names]), axes=1)
    trust = fit_weights().numpy().astype(float)
    mean = faces.mean(0)
    for _ in range(3):
        aligned = align(faces, mean, trust)
        mean = aligned.mean(0)
    centred = (aligned - mean).reshape(len(faces), -1)
    _, values, components = np.linalg.svd(centred, full_matrices=False)
    deviations = values / np.sqrt(len(faces) - 1)
    basis = (deviations[:NUM_IDENTITY, None] * components[:NUM_IDENTITY]).reshape(-1, *mean.shape)
    kept = (deviations[:NUM_IDENTITY] ** 2).sum() / (deviations**2).sum()
    return mean, basis, kept


def expression_directions(targets: dict[str, np.ndarray]) -> np.ndarray:
    """(52, 68, 3) in the reader's order; `_neutral` moves nothing."""
    return np.stack([targets.get(f"act/{name}", np.zeros((68, 3))) for name in EXPRESSION_NAMES])


def build_model(asset: Path, calibration: Calibration) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays of the model and notes about how it was made."""
    neutral, targets = read_landmark_targets(asset)
    mean, basis, kept = identity_model(neutral, targets)
    centre, turn = mean.mean(0), calibration.resting_turn()
    radius = np.sqrt(((mean - centre) ** 2).sum(1).mean())

    def to_model_frame(displacements: np.ndarray) -> np.ndarray:
        return displacements / radius @ turn.T

    moved = calibration.true_displacements(targets)
    directions, rest = calibration.fit_expression(expression_directions(targets), moved)
    arrays = {
        "mean": to_model_frame(mean + rest - centre),
        "identity_basis": to_model_frame(basis),
        "expression_basis": to_model_frame(directions),
        "observation_offset": np.zeros_like(mean),
    }
    people = align(calibration.neutral.astype(float), mean, fit_weights().numpy().astype(float))
    model = OpenFaceModel(**{name: torch.from_numpy(array).float() for name, array in arrays.items()})
    true_points = to_model_frame(people + moved - centre)
    arrays["observation_offset"], left = calibration.fit_offset(model, true_points, turn)
    notes = {
        "licence": "CC0-1.0",
        "source": "MakeHuman base mesh, targets and face units (CC0)",
        "expression_names": EXPRESSION_NAMES,
        "sampled_identities": NUM_SAMPLES,
        "kept_identity_variance": round(float(kept), 4),
        "unit_m": round(float(radius) / 10, 5),
        "calibration_frames": len(moved),
        "calibration_residual_px_of_256": round(float(left.norm(dim=-1).mean()) * 256 / calibration.size, 3),
    }
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}, notes


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("asset", type=Path, help="folder with head.safetensors.gz and head.json")
    parser.add_argument("--calibration", type=Path, required=True, help="npz of tools.measure_face_model")
    parser.add_argument("--output", type=Path, required=True, help="folder to write into")
    options = parser.parse_args()
    arrays, notes = build_model(options.asset, Calibration.read(options.calibration))
    options.output.mkdir(parents=True, exist_ok=True)
    save_file(arrays, options.output / f"{NAME}.safetensors")
    (options.output / f"{NAME}.json").write_text(json.dumps(notes, indent=2) + "\n")


if __name__ == "__main__":
    main()
