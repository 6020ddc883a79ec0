"""EMOCA's encoders: the official codes, what their numbers mean, and gradients."""

import pytest
import torch
from official_rule import normal_input, unit_input

from diffusionact.face.readers.emoca.coefficient_encoders import CoefficientEncoders, HeadCodes, split_codes

PARTS = {"shape": "shape", "texture": "tex", "expression": "exp", "pose": "pose", "camera": "cam", "light": "light"}


def hold_codes(codes: HeadCodes, golden, prefix: str, compare) -> None:
    for ours, theirs in PARTS.items():
        compare(f"EMOCA {prefix} {ours}", getattr(codes, ours), golden[f"{prefix}_{theirs}"], 1e-5)


@pytest.mark.slow
def test_codes_agree_with_the_official_encoders(official_network, golden_of, compare):
    golden, encoders = golden_of("emoca"), official_network("encoders")
    crop = unit_input("input/emoca_crop", (1, 3, 224, 224))
    compare("EMOCA E_flame", encoders.shape_and_pose(crop), golden["E_flame"], 1e-5)
    compare("EMOCA E_expression", encoders.expression(crop), golden["E_expression"], 1e-5)
    hold_codes(encoders(crop), golden, "split", compare)


def test_numbers_mean_what_they_mean_officially(golden_of, compare):
    golden = golden_of("emoca")
    codes = split_codes(torch.from_numpy(golden["E_flame"]), torch.from_numpy(golden["E_expression"]))
    hold_codes(codes, golden, "split", compare)


def test_a_wider_expression_encoder_says_the_jaw_as_officially(golden_of, compare):
    golden = golden_of("emoca")
    codes = split_codes(torch.from_numpy(golden["E_flame"]), normal_input("input/exp53", (1, 53)))
    hold_codes(codes, golden, "splitjaw", compare)


def test_the_widest_expression_encoder_says_head_and_jaw():
    code, expression = torch.arange(236.0)[None], 1000 + torch.arange(56.0)[None]
    codes = split_codes(code, expression)
    assert codes.pose.tolist() == [[1050, 1051, 1052, 1053, 1054, 1055]]
    assert codes.expression.tolist() == [list(range(1000, 1050))]


def test_coefficients_carry_the_jaw_behind_the_expression():
    coefficients = split_codes(torch.arange(236.0)[None], 1000 + torch.arange(50.0)[None]).coefficients()
    assert coefficients.shape.tolist() == [list(range(100))]
    assert coefficients.expression.tolist() == [[*range(1000, 1050), 203, 204, 205]]
    assert coefficients.rotation.tolist() == [[200, 201, 202]]
    assert coefficients.camera.tolist() == [[206, 207, 208]]


def test_gradients_reach_image_and_every_weight():
    torch.manual_seed(0)
    encoders = CoefficientEncoders(width=4).eval()
    crops = torch.rand(2, 3, 224, 224, requires_grad=True)
    codes = encoders(crops)
    sum(getattr(codes, part).square().sum() for part in PARTS).backward()
    assert crops.grad.abs().sum() > 0
    assert all(weight.grad is not None for weight in encoders.parameters())


def test_a_batch_gives_the_codes_of_its_single_images():
    torch.manual_seed(0)
    encoders, crops = CoefficientEncoders(num_expression=53, width=4).eval(), torch.rand(2, 3, 224, 224)
    singles = torch.cat([encoders(crop[None]).pose for crop in crops])
    assert torch.allclose(encoders(crops).pose, singles, atol=1e-5)


def test_an_expression_encoder_of_another_width_is_rejected():
    with pytest.raises(ValueError, match=r"\(50, 53, 56\) numbers, received one of 51"):
        CoefficientEncoders(num_expression=51, width=4)
