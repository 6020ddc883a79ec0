"""Building the open face model: alignment of samples, sampling of people, and the bundled file."""

import json

import numpy as np
import pytest

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.readers.open.face_model import DATA_FILE, OpenFaceModel
from tools.identity_sampling import sample_target_weights
from tools.open_face_model import align, expression_directions, identity_model, read_landmark_targets


@pytest.fixture(scope="module")
def head_asset(request):
    folder = request.config.rootpath / "train" / "data" / "synthetic" / "assets"
    if not (folder / "head.safetensors.gz").is_file():
        pytest.skip("the MakeHuman head asset is absent")
    return read_landmark_targets(folder)


def test_alignment_takes_away_turn_scale_and_place():
    rng = np.random.default_rng(0)
    face = rng.normal(size=(68, 3))
    angle = np.radians(25)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    moved = 1.7 * face @ turn.T + [3.0, -2.0, 1.0]
    assert np.allclose(align(moved[None], face, rng.uniform(0.2, 1, 68))[0], face)


def test_sampled_people_are_whole_and_both_sides_alike(head_asset):
    names = [name for name in head_asset[1] if not name.startswith("act/")]
    weights = sample_target_weights(names, 200, np.random.default_rng(0))
    build = weights[:, [name.startswith("uni/") for name in names]]
    ancestry = weights[:, [name.startswith("race/") for name in names]]
    assert np.allclose(build.sum(1), 1) and np.allclose(ancestry.sum(1), 1)
    assert weights.min() >= 0
    left, right = (weights[:, names.index(f"loc/eyes/{side}-eye-scale-incr")] for side in "lr")
    assert np.corrcoef(left, right)[0, 1] > 0.9


def test_identity_basis_holds_shape_only(head_asset):
    mean, basis, kept = identity_model(*head_asset)
    assert kept > 0.97 and basis.shape == (40, 68, 3)
    size = [np.linalg.norm(component) for component in basis]
    assert size == sorted(size, reverse=True)
    growth = (mean - mean.mean(0)).ravel()
    assert abs(basis[0].ravel() @ growth) < 0.2 * np.linalg.norm(growth) * size[0]


def test_expression_directions_follow_the_trackers_order(head_asset):
    directions = expression_directions(head_asset[1])
    assert np.array_equal(directions[EXPRESSION_NAMES.index("jawOpen")], head_asset[1]["act/jawOpen"])
    assert not directions[0].any()


def test_bundled_model_says_what_it_is_made_of():
    notes = json.loads(DATA_FILE.with_suffix(".json").read_text())
    assert notes["licence"] == "CC0-1.0" and tuple(notes["expression_names"]) == EXPRESSION_NAMES
    assert len(OpenFaceModel.from_bundled().expression_basis) == len(EXPRESSION_NAMES)
