"""CSIM, TL-ID, TG-ID, NME, APD and AED: perfect at equality, constants by hand, and numpy."""

import json
import math

import numpy as np
import pytest
import torch

from diffusionact.generation.face_parameters import RANGES
from diffusionact.metrics import aed, apd, csim, nme, normalised_expression_distance, tg_id, tl_id

PAIR = ("reenacted", "target")


def random_tensor(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def directions(*angles_deg):
    angles = torch.deg2rad(torch.tensor(angles_deg))
    return torch.stack([angles.cos(), angles.sin()], dim=-1)


def square_landmarks(width, height):
    """68 points in a box of the given size, corners included."""
    points = torch.rand(68, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([width, height])
    points[0], points[1] = torch.zeros(2), torch.tensor([width, height])
    return points[None]


def test_the_cosine_of_identities_ignores_their_length():
    first, second = directions(0.0, 0.0, 0.0), directions(0.0, 60.0, 180.0) * 7
    torch.testing.assert_close(csim(first, second), torch.tensor([1.0, 0.5, -1.0]))


def test_numpy_agrees_on_the_cosine():
    first, second = random_tensor(5, 32), random_tensor(5, 32, seed=1)
    a, b = first.double().numpy(), second.double().numpy()
    expected = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(csim(first, second).numpy(), expected, atol=1e-6)


def test_a_clip_as_steady_as_the_real_one_has_temporal_identity_one():
    clip = random_tensor(6, 32) + 2
    for metric in (tl_id, tg_id):
        assert metric(clip, clip).item() == pytest.approx(1.0, abs=1e-6)
        assert metric(3 * clip, clip).item() == pytest.approx(1.0, abs=1e-6)


def test_temporal_identity_worked_out_by_hand():
    generated, real = directions(0.0, 60.0, 0.0), directions(0.0, 0.0, 0.0)
    assert tl_id(generated, real).item() == pytest.approx(0.5)  # both neighbours 60 degrees apart
    assert tg_id(generated, real).item() == pytest.approx((0.5 + 0.5 + 1) / 3)
    drifting = directions(0.0, 30.0, 60.0)
    assert tl_id(drifting, real).item() == pytest.approx(math.cos(math.radians(30)))
    assert tg_id(drifting, real).item() == pytest.approx((2 * math.cos(math.radians(30)) + 0.5) / 3)


def test_each_pair_is_divided_by_its_own_real_pair_before_averaging():
    generated, real = directions(0.0, 60.0, 60.0), directions(0.0, 0.0, 60.0)
    assert tl_id(generated, real).item() == pytest.approx((0.5 / 1 + 1 / 0.5) / 2)


def test_numpy_agrees_on_temporal_identity():
    generated, real = random_tensor(7, 16) + 1.5, random_tensor(7, 16, seed=1) + 1.5
    units = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (generated.double().numpy(), real.double().numpy())]
    ratio = (units[0] @ units[0].T) / (units[1] @ units[1].T)
    local = [ratio[i, i + 1] for i in range(6)]
    everywhere = [ratio[i, j] for i in range(7) for j in range(7) if i != j]
    assert tl_id(generated, real).item() == pytest.approx(np.mean(local), abs=1e-6)
    assert tg_id(generated, real).item() == pytest.approx(np.mean(everywhere), abs=1e-6)


def test_only_neighbours_and_only_order_matter_to_the_local_one():
    generated, real = random_tensor(6, 16) + 1.5, random_tensor(6, 16, seed=1) + 1.5
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(tl_id(generated.flip(0), real.flip(0)), tl_id(generated, real))
    torch.testing.assert_close(tg_id(generated[order], real[order]), tg_id(generated, real))
    assert abs(tl_id(generated[order], real[order]) - tl_id(generated, real)) > 1e-3


@pytest.mark.parametrize("metric", [tl_id, tg_id], ids=lambda metric: metric.__name__)
def test_a_clip_of_one_frame_has_no_temporal_identity(metric):
    with pytest.raises(ValueError, match="at least two frames"):
        metric(torch.ones(1, 8), torch.ones(1, 8))


def test_landmark_error_is_in_thousandths_of_the_box_around_the_truth():
    truth = square_landmarks(40.0, 90.0)  # sqrt(40 * 90) = 60
    shifted = truth + torch.tensor([3.0, 4.0])
    assert nme(shifted, truth).item() == pytest.approx(1000 * 5 / 60, rel=1e-5)
    assert nme(truth, truth).item() == 0
    torch.testing.assert_close(nme(2 * shifted, 2 * truth), nme(shifted, truth))


def test_numpy_agrees_on_the_landmark_error():
    truth, found = 128 + 30 * random_tensor(3, 68, 2), 128 + 30 * random_tensor(3, 68, 2, seed=1)
    a, b = found.double().numpy(), truth.double().numpy()
    size = np.sqrt(np.prod(b.max(1) - b.min(1), axis=1))
    expected = 1000 * np.linalg.norm(a - b, axis=2).mean(1) / size
    np.testing.assert_allclose(nme(found, truth).numpy(), expected, rtol=1e-5)


def test_landmarks_without_an_extent_are_rejected():
    truth = square_landmarks(40.0, 90.0).repeat(2, 1, 1)
    truth[1, :, 0] = 7
    with pytest.raises(ValueError, match="received a box without one in image 1"):
        nme(truth, truth)


def test_pose_and_expression_distances_worked_out_by_hand():
    assert apd(torch.tensor([[3.0, -6.0, 0.0]]), torch.zeros(1, 3)).item() == 3  # mean of three angles
    assert aed(torch.full((2, 50), 0.1), torch.zeros(2, 50)).tolist() == pytest.approx([5.0, 5.0])  # sum of fifty
    same = random_tensor(4, 50)
    assert aed(same, same).abs().max() == 0
    assert apd(same[:, :3], same[:, :3]).abs().max() == 0


def test_numpy_agrees_on_pose_and_expression_distances():
    first, second = random_tensor(4, 50), random_tensor(4, 50, seed=1)
    difference = np.abs(first.double().numpy() - second.double().numpy())
    np.testing.assert_allclose(aed(first, second).numpy(), difference.sum(1), rtol=1e-5)
    np.testing.assert_allclose(apd(first[:, :3], second[:, :3]).numpy(), difference[:, :3].mean(1), rtol=1e-5)


@pytest.mark.parametrize(
    ("metric", "shape"), [(csim, (3, 8)), (tl_id, (3, 8)), (nme, (3, 68, 2)), (apd, (3, 3)), (aed, (3, 50))]
)
def test_another_number_of_images_is_rejected(metric, shape):
    with pytest.raises(ValueError, match="in one shape, received"):
        metric(random_tensor(*shape), random_tensor(*shape)[:2])


def test_wrong_axes_are_rejected():
    with pytest.raises(ValueError, match=r"Expected head poses \(B, 3\)"):
        apd(torch.zeros(3), torch.zeros(3))
    with pytest.raises(ValueError, match=r"Expected expressions \(B, E\)"):
        aed(torch.zeros(50), torch.zeros(50))


def test_distances_of_finding_directions_are_the_official_ones(golden_fd):
    golden = {name: torch.from_numpy(array) for name, array in np.load(golden_fd / "metrics.npz").items()}
    printed = json.loads((golden_fd / "metrics.json").read_text())
    jaw_first = [torch.cat([golden[f"{who}_pose"][:, 3:4], golden[f"{who}_exp"][:, :11]], 1) for who in PAIR]
    extents = torch.tensor([high - low for low, high in RANGES.values()])
    expression = normalised_expression_distance(*jaw_first, extents)
    assert expression.item() == pytest.approx(printed["expression_15_directions"], rel=1e-6)
    pose = apd(golden["reenacted_angles"], golden["target_angles"])
    assert pose.item() == pytest.approx(printed["pose"], rel=1e-6)
    raw = aed(golden["reenacted_exp"], golden["target_exp"])
    assert raw.item() == pytest.approx(printed["l1_sum_of_50"], rel=1e-6)


def test_expressions_are_compared_in_shares_of_their_ranges():
    distance = normalised_expression_distance(torch.tensor([[1.0, 4.0]]), torch.zeros(1, 2), torch.tensor([2.0, 4.0]))
    assert distance.tolist() == [0.75]
    with pytest.raises(ValueError, match="above 0"):
        normalised_expression_distance(torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([1.0, 0.0]))
