"""The 15 face parameters are normalised as in the official code; reference data in ../shared/golden_fd."""

import numpy as np
import pytest
import torch
from tiny_official import make_tiny_networks

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.readers.emoca.flame import official_angles
from diffusionact.generation.face_parameters import (
    ANGLES_DEG,
    JAW_OPEN_RAD,
    PARAMETERS,
    RANGES,
    jaw_alone,
    named_by_flame,
    normalise,
    parameters_of,
)
from diffusionact.types import FaceCoefficients


def flame_face(pose, expression):
    """FLAME coefficients of an official pose (B, 6) and expression (B, 50)."""
    rows = len(pose)
    jaw_behind = torch.cat([expression, pose[:, 3:]], dim=-1)
    return FaceCoefficients(torch.zeros(rows, 100), jaw_behind, pose[:, :3], torch.zeros(rows, 3), "flame")


def open_face(**named):
    expression = torch.zeros(1, 52)
    for name, value in named.items():
        expression[0, EXPRESSION_NAMES.index(name)] = value
    return FaceCoefficients(torch.zeros(1, 4), expression, torch.zeros(1, 3), torch.zeros(1, 3), "open")


def test_changes_of_parameters_are_the_official_ones(golden_fd, compare):
    golden = {name: torch.from_numpy(array) for name, array in np.load(golden_fd / "normalise.npz").items()}

    def parameters(who):
        jaw = golden[f"{who}_pose"][:, 3:4]
        return normalise(golden[f"{who}_angles"], torch.cat([jaw, golden[f"{who}_exp"][:, :11]], dim=-1))

    delta = parameters("target") - parameters("source")
    compare("dp, as in training", delta, golden["shift_training"].numpy(), 1e-5)
    compare("dp, as in inference", delta[:4], golden["shift_inference"].numpy(), 1e-5)


def test_parameters_of_flame_are_those_of_the_chain(golden_fd, compare):
    golden = {name: torch.from_numpy(array) for name, array in np.load(golden_fd / "chain.npz").items()}
    faces = {who: flame_face(golden[f"{who}_pose"], golden[f"{who}_exp"]) for who in ("source", "target")}
    compare("angles", official_angles(faces["target"].rotation), golden["target_angles"].numpy(), 1e-3)
    of_source, of_target = (parameters_of(faces[who], jaw_alone()) for who in ("source", "target"))
    compare("dp of the chain", of_target - of_source, golden["delta_p"].numpy(), 1e-5)


def test_the_table_is_the_published_one(golden_fd):
    golden = np.load(golden_fd / "normalise.npz")
    assert list(map(list, RANGES.values())) == golden["ranges_voxceleb"][3:15].tolist()
    assert list(ANGLES_DEG.values()) == golden["angle_scales"].tolist()
    assert len(PARAMETERS) == 15


def test_the_ends_of_the_ranges_are_normalised_to_six():
    low, high = torch.tensor(list(RANGES.values())).unbind(-1)
    ends = normalise(torch.tensor([[40.0, 20.0, 20.0], [-40.0, -20.0, -20.0]]), torch.stack([high, low]))
    torch.testing.assert_close(ends, torch.tensor([[6.0], [-6.0]]).expand(2, 15), atol=1e-5, rtol=0)


def test_without_flame_an_open_face_has_head_and_jaw_only():
    rest, talking = (parameters_of(open_face(**named), jaw_alone()) for named in ({}, {"jawOpen": 0.5}))
    change = (talking - rest)[0]
    assert change.nonzero().flatten().tolist() == [PARAMETERS.index("jaw")]
    low, high = RANGES["jaw"]
    assert change.max().item() == pytest.approx(0.5 * JAW_OPEN_RAD * 12 / (high - low), rel=1e-5)
    smiling = parameters_of(open_face(mouthSmileLeft=1.0), jaw_alone())
    assert torch.equal(smiling, rest)


def test_with_flame_named_values_become_its_expression():
    flame = make_tiny_networks().flame
    table = named_by_flame(flame)
    whole = flame.named_expression(torch.eye(52))
    assert torch.equal(table, torch.cat([whole[:, 50:51], whole[:, :11]], dim=-1))
    assert table[EXPRESSION_NAMES.index("mouthSmileLeft")].abs().max() > 0


def test_other_face_models_are_rejected():
    other = FaceCoefficients(*[torch.zeros(1, 3)] * 4, "toy")
    with pytest.raises(ValueError, match="'toy'"):
        parameters_of(other, jaw_alone())
