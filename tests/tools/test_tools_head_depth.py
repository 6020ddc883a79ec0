"""The depth that face meshes lack."""

import pytest
import torch

from diffusionact.face.geometry.rotations import head_pose_to_matrix
from diffusionact.warping.topology import NUM_MESH, load_topology
from tools.head_depth import fit_depth


def seen_flat(yaw: float, middle: float, sides: float) -> torch.Tensor:
    """(478, 3) a round head where it is seen, with the depth of the flat one, a hundredth of a unit per cm."""
    flat = torch.zeros(NUM_MESH, 3)
    canonical = load_topology().canonical
    # The canonical face is not quite its own mirror image.
    flat[: len(canonical)] = (canonical + canonical[load_topology().mirror] * torch.tensor([-1.0, 1.0, 1.0])) / 2
    round_head = flat.clone()
    round_head[:, 2] += middle - sides * flat[:, 0].square()
    rotation = head_pose_to_matrix(torch.tensor([[yaw, 0.0, 0.0]]))[0]
    seen, guessed = round_head @ rotation.T, flat @ rotation.T
    return 0.01 * torch.cat([seen[:, :2], guessed[:, 2:]], dim=1)


def test_missing_depth_is_found_in_turned_meshes():
    people = [[seen_flat(yaw, 0.4, 0.03) for yaw in turns] for turns in ((20.0, -12.0), (30.0,), (2.0,))]
    middle, sides, count = fit_depth(people)
    assert count == 2  # the third hardly turns
    assert sides == pytest.approx(0.03, abs=0.008)
    assert 0.2 < middle < 0.6


def test_flat_heads_lack_nothing():
    middle, sides, _ = fit_depth([[seen_flat(20.0, 0.0, 0.0)]])
    assert abs(middle) < 0.02 and abs(sides) < 0.001


def test_heads_that_do_not_turn_tell_nothing():
    with pytest.raises(ValueError, match="turned by 6.0 to 45.0 degrees"):
        fit_depth([[seen_flat(1.0, 0.4, 0.03)]])
