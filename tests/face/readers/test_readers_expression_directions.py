"""The bundled directions: what each expression value does to the canonical face."""

import pytest
import torch

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.readers.open.expression_directions import load_directions
from diffusionact.warping.topology import EYE_RINGS, LIP_RING, load_topology

CHIN, MOUTH_CORNERS = 152, (61, 291)


@pytest.fixture(scope="module")
def directions():
    return load_directions()


@pytest.fixture(scope="module")
def canonical():
    return load_topology().canonical


def moved(directions, *names):
    """Displacement (478, 3) cm of values of 1."""
    return sum(directions[EXPRESSION_NAMES.index(name)] for name in names)


def lid_gap(points, eye):
    ring = EYE_RINGS[eye]
    return float((points[ring[4]] - points[ring[12]]).norm())


def test_every_value_has_a_direction(directions):
    assert directions.shape == (52, 478, 3) and torch.isfinite(directions).all()
    still = [name for name, one in zip(EXPRESSION_NAMES, directions, strict=True) if one.abs().max() < 0.02]
    assert set(still) <= {"_neutral", "tongueOut"}


@pytest.mark.parametrize(("eye", "name"), [(0, "eyeBlinkRight"), (1, "eyeBlinkLeft")])
def test_a_blink_shuts_its_own_eye(directions, canonical, eye, name):
    after = canonical + moved(directions, name)[:468]
    assert lid_gap(after, eye) < 0.3 * lid_gap(canonical, eye)
    assert lid_gap(after, 1 - eye) > 0.9 * lid_gap(canonical, 1 - eye)


def test_an_open_jaw_lowers_the_chin_and_parts_the_lips(directions, canonical):
    change = moved(directions, "jawOpen")
    assert -4.0 < float(change[CHIN, 1]) < -1.0
    upper, lower = LIP_RING[5], LIP_RING[15]
    assert float(change[upper, 1] - change[lower, 1]) > 1.0


def test_a_smile_widens_the_mouth_and_lifts_its_corners(directions, canonical):
    change = moved(directions, "mouthSmileLeft", "mouthSmileRight")
    right, left = MOUTH_CORNERS
    assert float(change[left, 0] - change[right, 0]) > 0.5
    assert float(change[[right, left], 1].mean()) > 0.2


def test_left_and_right_are_mirror_images(directions, canonical):
    left, right = moved(directions, "browDownLeft"), moved(directions, "browDownRight")
    mirrored = canonical * torch.tensor([-1.0, 1.0, 1.0])
    partner = torch.cdist(mirrored, canonical).argmin(1)
    difference = left[:468] - right[partner] * torch.tensor([-1.0, 1.0, 1.0])
    assert difference.norm(dim=1).mean() < 0.2 * left[:468].norm(dim=1).mean() + 0.01
