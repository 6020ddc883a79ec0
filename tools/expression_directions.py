"""MakeHuman's facial actions (CC0) -> displacements of MediaPipe's mesh points by the 52 expression values.

1. Where the mesh points lie on the head (`mesh_correspondence`: portraits are rendered and tracked, some minutes).
2. The face's outline, which trackers see on the silhouette and not on the skin, is carried over by a smooth map.
3. The actions at these places, turned and scaled into the frame of MediaPipe's canonical face, centimetres.
4. Lids get the size of the canonical face's eyes, and meet exactly in a blink.
5. The tracker's values are not the actions' weights: they are mixed as the 68 landmarks of the open face model were.
6. Irises turn with the eyeball.

`python -m tools.expression_directions --output diffusionact/face/readers/open/data/expression_directions.safetensors`
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.readers.open.face_model import DATA_FILE
from diffusionact.face.readers.open.landmarker.geometry import weighted_similarity
from diffusionact.face.readers.open.landmarker.graph import DATA_FOLDER
from diffusionact.face.readers.open.mesh_landmarks import landmark_matrix
from portraits.head import ASSETS, Head
from portraits.smooth_map import smooth_map
from tools.open_face_model import expression_directions, read_landmark_targets

from .mesh_correspondence import EYE_RINGS, NUM_SKIN_POINTS, Correspondence, find_correspondence, mirror_pairs, snap

FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
OUTLINE_LANDMARKS = range(17)  # of the 68
MIXING_RIDGE = 0.02
# Actions of the lids: their size follows the opening of the eye.
LID_ACTIONS = ("eyeBlink", "eyeSquint", "eyeWide", "eyeLook")
LID_REACH_CM = 1.2  # lids' own size fades into the face's over this distance from the eye's ring
# Turn of the eyeball at a value of 1, radians; as in the portraits.
LOOK_TURN = {"In": 0.6, "Out": 0.6, "Up": 0.5, "Down": 0.5}
EYE_RADIUS_CM = 1.2
IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))  # the subject's right, left


def with_outline(head: Head, canonical: np.ndarray, seen: Correspondence) -> Correspondence:
    """The correspondence with the face's oval placed by the rest of the face and the 68 landmarks' outline."""
    place = seen.on(head.template)
    inner = np.setdiff1d(np.arange(NUM_SKIN_POINTS), FACE_OVAL)
    marks = landmark_matrix(torch.from_numpy(canonical)).numpy()[list(OUTLINE_LANDMARKS), :NUM_SKIN_POINTS] @ canonical
    # Tracked points below the chin slip down to the neck as well: what the smooth map of its neighbours contradicts.
    for _ in range(3):
        sources = np.concatenate([canonical[inner], marks])
        targets = np.concatenate([place[inner], head.template_landmarks[list(OUTLINE_LANDMARKS)]])
        carried = smooth_map(sources, targets, canonical)
        strength = np.linalg.norm(place - carried, axis=1)
        inner = inner[strength[inner] < max(0.02, np.quantile(strength[inner], 0.97))]
    replaced = np.setdiff1d(np.arange(NUM_SKIN_POINTS), inner)
    place[replaced] = carried[replaced]
    place = (place + place[mirror_pairs(canonical)] * [-1, 1, 1]) / 2
    return snap(head, place)


def to_canonical(head: Head, places: Correspondence, geometry: dict) -> tuple[np.ndarray, np.ndarray]:
    """Actions (52, 468, 3) and template points (468, 3) in the canonical face's frame, cm."""
    basis = geometry["basis_indices"].long()
    template = torch.from_numpy(places.on(head.template)).float()
    rotation, scale, shift = weighted_similarity(
        template[basis], geometry["vertices"][basis][None], geometry["basis_weights"]
    )
    turn = float(scale[0]) * rotation[0].numpy().T
    directions = np.zeros((len(EXPRESSION_NAMES), NUM_SKIN_POINTS, 3))
    for index, name in enumerate(EXPRESSION_NAMES):
        if name in head.action_names:
            action = head.actions[head.action_names.index(name)].reshape(-1, 3)
            directions[index] = places.on(action[: head.mesh_size]) @ turn
    return directions, template.numpy() @ turn + shift[0].numpy()


def fit_lids(directions: np.ndarray, canonical: np.ndarray, template: np.ndarray) -> None:
    """Scale the lids' actions to the canonical eyes, in place; in a blink each upper point lands on its lower one."""
    for ring, side in zip(EYE_RINGS, ("Right", "Left"), strict=True):
        upper, lower = list(ring[1:8]), list(ring[:8:-1])
        share = opening(canonical, ring) / opening(template, ring)
        distance = np.linalg.norm(canonical[:, None] - canonical[list(ring)], axis=-1)
        near = np.exp(-((distance.min(1) / LID_REACH_CM) ** 2))
        factor = 1 + (share - 1) * near
        rows = [i for i, name in enumerate(EXPRESSION_NAMES) if name.startswith(LID_ACTIONS) and name.endswith(side)]
        directions[rows] *= factor[:, None]
        blink = directions[EXPRESSION_NAMES.index("eyeBlink" + side)]
        # What is missing at the upper margin is spread over the lid, by nearness along the margin and to it.
        missing = (canonical[lower] + blink[lower]) - (canonical[upper] + blink[upper])
        to_upper = np.linalg.norm(canonical[:, None] - canonical[upper], axis=-1)
        along = np.exp(-((to_upper / 0.4) ** 2)) + 1e-12
        along /= along.sum(1, keepdims=True)
        above = canonical[:, 1] > np.interp(canonical[:, 0], *sorted_by_x(canonical[lower])) + 0.02
        fade = np.exp(-((to_upper.min(1) / 0.7) ** 2)) * above
        correction = fade[:, None] * (along @ missing)
        correction[list(ring)] = 0
        correction[upper] = missing
        blink += correction


def opening(points: np.ndarray, ring: tuple[int, ...]) -> float:
    """Mean distance of the lids over the ring's seven pairs."""
    return float(np.linalg.norm(points[list(ring[1:8])] - points[list(ring[:8:-1])], axis=-1).mean())


def sorted_by_x(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x and y (N,) of points (N, 3), x growing."""
    order = points[:, 0].argsort()
    return points[order, 0], points[order, 1]


def mixing() -> np.ndarray:
    """(52, 52) M with tracker direction = M @ action: how the open face model's calibration mixed the actions."""
    _, targets = read_landmark_targets(ASSETS)
    actions = expression_directions(targets)
    calibrated = load_file(DATA_FILE)["expression_basis"].double().numpy()
    # The two differ by a turn and a scale, which any similarity of the two sets reveals.
    a, b = actions.reshape(-1, 3), calibrated.reshape(-1, 3)
    left, values, right = np.linalg.svd(a.T @ b)
    a = (a @ left @ right * (values.sum() / (a**2).sum())).reshape(len(actions), -1)
    b = b.reshape(len(actions), -1)
    unit = (a**2).sum(1).max()
    ridge = MIXING_RIDGE * unit * np.eye(len(a))
    return np.linalg.solve(a @ a.T + ridge, a @ b.T + ridge).T


def turn_irises(directions: np.ndarray) -> np.ndarray:
    """Directions (52, 478, 3): the irises follow the eyeballs' turn."""
    full = np.concatenate([directions, np.zeros((len(directions), 10, 3))], 1)
    for iris, side, outward in zip(IRISES, ("Right", "Left"), (-1, 1), strict=True):
        ways = {"In": (-outward, 0), "Out": (outward, 0), "Up": (0, 1), "Down": (0, -1)}
        for way, (x, y) in ways.items():
            shift = EYE_RADIUS_CM * np.sin(LOOK_TURN[way])
            full[EXPRESSION_NAMES.index(f"eyeLook{way}{side}"), list(iris)] = [shift * x, shift * y, 0]
    return full


def build(head: Head, seen: Correspondence, mixed: bool = True) -> np.ndarray:
    """(52, 478, 3) cm of the canonical face."""
    geometry = load_file(DATA_FOLDER / "face_geometry.safetensors")
    canonical = geometry["vertices"].double().numpy()
    places = with_outline(head, canonical.astype(np.float32), seen)
    directions, template = to_canonical(head, places, geometry)
    fit_lids(directions, canonical, template)
    if mixed:
        directions = np.tensordot(mixing(), directions, axes=1)
    return turn_irises(directions)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10, help="portraits to render and track, in eight poses each")
    parser.add_argument("--output", type=Path, required=True, help="safetensors file")
    options = parser.parse_args()
    head = Head()
    canonical = load_file(DATA_FOLDER / "face_geometry.safetensors")["vertices"].numpy()
    directions = build(head, find_correspondence(head, canonical, options.people))
    save_file({"directions": directions.astype(np.float16)}, options.output)


if __name__ == "__main__":
    main()
