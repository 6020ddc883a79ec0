"""The whole objective: the paper's weights, which term enters which half, and terms that are left out."""

from dataclasses import fields, replace

import pytest
import torch

from diffusionact.losses import FaceFeatures, LossWeights, reenactment_objective
from diffusionact.losses.objective import OWN_TERMS, POSE_TERMS, RECONSTRUCTION_TERMS

NOTHING = LossWeights(**{field.name: 0.0 for field in fields(LossWeights)})
BATCH = 2


def constant_features(value: float) -> FaceFeatures:
    return FaceFeatures(
        perceptual=(torch.full((BATCH, 4, 8, 8), value), torch.full((BATCH, 8, 4, 4), value)),
        identity=torch.tensor([[1.0, 0.0]]).repeat(BATCH, 1) if value == 0 else torch.tensor([[0.0, 1.0]] * BATCH),
        background=torch.ones(BATCH, 1, 8, 8),
        style=torch.full((BATCH, 16), value),
        gaze=torch.full((BATCH, 2), value),
        landmarks=torch.full((BATCH, 68, 2), value),
        head_pose=torch.full((BATCH, 3), value),
    )


def constant_case(weights: LossWeights):
    images = torch.full((BATCH, 3, 8, 8), 0.5), torch.zeros(BATCH, 3, 8, 8)
    return reenactment_objective(*images, constant_features(3.0), constant_features(0.0), weights)


def test_the_default_weights_are_those_of_the_paper():
    weights = LossWeights()
    assert weights.pixel == weights.perceptual == weights.identity == weights.style == 20
    assert weights.background == 10
    assert weights.shape == 0.5
    assert weights.gaze == weights.head_pose == 2
    assert weights.detail == 0


def test_each_weight_belongs_to_one_part_of_the_objective():
    assert sorted(RECONSTRUCTION_TERMS + POSE_TERMS + OWN_TERMS) == sorted(field.name for field in fields(LossWeights))


def test_the_objective_is_the_sum_worked_out_by_hand():
    value = constant_case(LossWeights())
    assert {name: term.item() for name, term in value.terms.items()} == pytest.approx(
        {
            "pixel": 0.25,
            "perceptual": 18.0,
            "identity": 1.0,
            "background": 0.25,
            "style": 9.0,
            "gaze": 3.0,
            "shape": 3.0,
            "head_pose": 3.0,
        }
    )
    assert value.reconstruction.item() == pytest.approx(20 * (0.25 + 18 + 1 + 9) + 10 * 0.25)
    assert value.pose.item() == pytest.approx(2 * 3 + 0.5 * 3 + 2 * 3)
    assert value.total.item() == pytest.approx(value.reconstruction.item() + value.pose.item())


@pytest.mark.parametrize("name", RECONSTRUCTION_TERMS + POSE_TERMS)
def test_a_weight_scales_its_own_term_only(name):
    value = constant_case(replace(NOTHING, **{name: 3.0}))
    assert list(value.terms) == [name]
    assert value.total.item() == pytest.approx(3 * value.terms[name].item())
    half, other = (value.reconstruction, value.pose)[:: 1 if name in RECONSTRUCTION_TERMS else -1]
    assert half.item() == value.total.item() > 0
    assert other.item() == 0


@pytest.mark.parametrize("name", [name for name in RECONSTRUCTION_TERMS + POSE_TERMS if name != "pixel"])
def test_a_network_may_be_absent_only_when_its_term_has_no_weight(name):
    attribute = {"shape": "landmarks"}.get(name, name)
    seen, images = replace(constant_features(0.0), **{attribute: None}), torch.zeros(BATCH, 3, 8, 8)
    without = replace(LossWeights(), **{name: 0.0})
    assert reenactment_objective(images, images, seen, seen, without).total.item() == pytest.approx(0, abs=1e-5)
    with pytest.raises(ValueError, match=f"Expected the {attribute} features for the {name} loss, received none"):
        reenactment_objective(images, images, seen, seen, LossWeights())


def test_no_weight_at_all_gives_zero():
    assert constant_case(NOTHING).total == 0


def test_the_gradient_reaches_the_image_through_every_feature():
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(BATCH, 3, 8, 8, generator=generator)
    reenacted = torch.rand(BATCH, 3, 8, 8, generator=generator)

    def features_of(images):
        mean = images.mean(dim=(2, 3))
        return FaceFeatures(
            perceptual=(images.square(),),
            identity=mean,
            background=torch.ones(BATCH, 1, 8, 8),
            style=mean.square(),
            gaze=mean[:, :2],
            landmarks=mean[:, :1, None].expand(BATCH, 68, 2),
            head_pose=mean,
        )

    for name in RECONSTRUCTION_TERMS + POSE_TERMS:
        image = reenacted.clone().requires_grad_()
        weights = replace(NOTHING, **{name: 1.0})
        reenactment_objective(image, target, features_of(image), features_of(target), weights).total.backward()
        assert image.grad.abs().sum() > 0, name


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_impossible_weights_are_rejected(weight):
    with pytest.raises(ValueError, match="Expected a finite weight of at least 0 for the gaze loss"):
        LossWeights(gaze=weight)


def test_the_detail_term_is_added_to_the_papers_objective():
    reenacted, target = torch.full((BATCH, 3, 8, 8), 0.5), torch.zeros(BATCH, 3, 8, 8)
    features = constant_features(3.0), constant_features(0.0)
    mask = torch.zeros(BATCH, 1, 8, 8)
    mask[:, :, 2:4] = 1
    plain = reenactment_objective(reenacted, target, *features, LossWeights(), mask)
    weighted = reenactment_objective(reenacted, target, *features, LossWeights(detail=3.0), mask)
    assert "detail" not in plain.terms
    assert weighted.terms["detail"].item() == pytest.approx(0.25)
    assert weighted.total.item() == pytest.approx(plain.total.item() + 3 * 0.25)
    assert (weighted.reconstruction, weighted.pose) == (plain.reconstruction, plain.pose)


def test_a_detail_term_without_its_mask_is_named():
    images, features = torch.zeros(BATCH, 3, 8, 8), constant_features(0.0)
    with pytest.raises(ValueError, match="Expected a detail_mask"):
        reenactment_objective(images, images, features, features, LossWeights(detail=1.0))
