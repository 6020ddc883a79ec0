"""Each term of the objective: zero at equality, constants worked out by hand, numpy, gradients, order of the batch."""

import math

import numpy as np
import pytest
import torch

from diffusionact.losses import (
    background_loss,
    detail_loss,
    gaze_loss,
    head_pose_loss,
    identity_loss,
    perceptual_loss,
    pixel_loss,
    shape_loss,
    style_loss,
)

SHAPES = {
    pixel_loss: (4, 3, 6, 8),
    identity_loss: (4, 16),
    style_loss: (4, 16),
    gaze_loss: (4, 2),
    shape_loss: (4, 68, 2),
    head_pose_loss: (4, 3),
}
SQUARED, ABSOLUTE = (pixel_loss, style_loss), (gaze_loss, shape_loss, head_pose_loss)


def two_inputs(loss, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(SHAPES[loss], generator=generator) * 2 - 1 for _ in range(2)]


def names(loss):
    return loss.__name__


@pytest.mark.parametrize("loss", SHAPES, ids=names)
def test_equal_inputs_cost_nothing_and_others_do(loss):
    first, second = two_inputs(loss)
    assert loss(first, first).item() == pytest.approx(0, abs=1e-6)
    assert loss(first, second).item() > 0.01


@pytest.mark.parametrize("loss", SHAPES, ids=names)
def test_a_term_is_symmetric_and_blind_to_the_order_of_the_batch(loss):
    first, second = two_inputs(loss)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(loss(first, second), loss(second, first))
    torch.testing.assert_close(loss(first, second), loss(first[order], second[order]))


@pytest.mark.parametrize("loss", SHAPES, ids=names)
def test_a_step_against_the_gradient_makes_a_term_smaller(loss):
    first, second = two_inputs(loss)
    first.requires_grad_()
    value = loss(first, second)
    value.backward()
    assert loss(first - 1e-3 * first.grad / first.grad.norm(), second) < value


@pytest.mark.parametrize("loss", SHAPES, ids=names)
def test_batches_of_other_shapes_are_rejected_instead_of_spread_out(loss):
    first, second = two_inputs(loss)
    with pytest.raises(ValueError, match=r"Expected .* in one shape, received \(4, .*\) and \(1, "):
        loss(first, second[:1])


@pytest.mark.parametrize("loss", SQUARED, ids=names)
def test_l2_terms_are_the_mean_squared_difference(loss):
    first, second = two_inputs(loss)
    expected = np.mean((first.double().numpy() - second.double().numpy()) ** 2)
    assert loss(first, second).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", ABSOLUTE, ids=names)
def test_l1_terms_are_the_mean_absolute_difference(loss):
    first, second = two_inputs(loss)
    expected = np.mean(np.abs(first.double().numpy() - second.double().numpy()))
    assert loss(first, second).item() == pytest.approx(expected, rel=1e-6)


def test_constants_worked_out_by_hand():
    white, grey = torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    assert pixel_loss(white, grey) == 1
    assert pixel_loss(white, -white) == 4
    assert head_pose_loss(torch.tensor([[10.0, 0.0, -5.0]]), torch.zeros(1, 3)) == 5
    assert gaze_loss(torch.tensor([[0.2, -0.4]]), torch.zeros(1, 2)).item() == pytest.approx(0.3)
    assert shape_loss(torch.full((1, 68, 2), 7.0), torch.full((1, 68, 2), 4.0)) == 3


def test_identity_costs_the_angle_only_not_the_length():
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    second = torch.tensor([[5.0, 0.0], [0.0, 2.0], [-3.0, 0.0]])
    torch.testing.assert_close(identity_loss(first[:1], second[:1]), torch.tensor(0.0))
    torch.testing.assert_close(identity_loss(first, second), torch.tensor((0 + 1 + 2) / 3))
    turned = torch.tensor([[math.cos(0.3), math.sin(0.3)]])
    assert identity_loss(first[:1], turned).item() == pytest.approx(1 - math.cos(0.3), rel=1e-5)


def test_perceptual_loss_adds_up_the_means_of_the_layers():
    first = (torch.zeros(2, 4, 8, 8), torch.zeros(2, 8, 4, 4))
    second = (torch.full((2, 4, 8, 8), 2.0), torch.full((2, 8, 4, 4), 3.0))
    assert perceptual_loss(first, second) == 4 + 9
    assert perceptual_loss(first, first) == 0


def test_perceptual_loss_refuses_other_layers():
    layer = torch.zeros(2, 4, 8, 8)
    with pytest.raises(ValueError, match="received 1 of the reenacted and 2 of the target"):
        perceptual_loss((layer,), (layer, layer))
    with pytest.raises(ValueError, match="at least one"):
        perceptual_loss((), ())
    with pytest.raises(ValueError, match="layer 1 of the reenacted"):
        perceptual_loss((layer, layer), (layer, layer[:, :1]))


def test_the_background_loss_does_not_see_the_face():
    first, second = two_inputs(pixel_loss)
    keep = torch.zeros(4, 1, 6, 8)
    keep[..., :3] = 1
    face_changed = torch.where(keep.bool(), first, second)
    assert background_loss(face_changed, first, keep, keep) == 0
    expected = ((first - second)[..., :3] ** 2).sum() / first.numel()
    torch.testing.assert_close(background_loss(first, second, keep, keep), expected)
    assert background_loss(first, second, torch.zeros_like(keep), torch.zeros_like(keep)) == 0


def test_a_pixel_that_one_mask_alone_keeps_is_compared_with_mid_grey():
    images = torch.full((1, 3, 2, 2), 0.5)
    everything, nothing = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    assert background_loss(images, images, everything, nothing) == 0.25


def test_a_mask_of_another_size_is_rejected():
    images, mask = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 2, 2)
    with pytest.raises(ValueError, match="one channel of the target images"):
        background_loss(images, images, mask, mask)


def test_detail_loss_is_the_mean_over_the_mask_alone():
    target = torch.zeros(2, 3, 4, 4)
    reenacted, mask = target.clone(), torch.zeros(2, 1, 4, 4)
    reenacted[:, :, 0, 0] = 0.5
    reenacted[:, :, 3, 3] = 9.0
    mask[:, :, 0, :2] = 1.0
    assert detail_loss(reenacted, target, mask) == pytest.approx(0.125)
    assert detail_loss(reenacted, target, torch.zeros_like(mask)) == 0
