"""Broad light: recovered from a matt ball whose light is known, and put right when the ball turns."""

import math

import pytest
import torch

from diffusionact.warping.light import MAX_RATIO, MIN_RATIO, Light, fit_light, light_field, relight, spherical_harmonics

SIDE = 96
# A key light from the upper left, a dim warm fill, skin of one colour.
COEFFICIENTS = torch.tensor([1.5, 0.2, 0.3, -0.35, -0.05, 0.04, 0.06, -0.08, 0.05])[:, None] * torch.tensor(
    [0.9, 0.6, 0.45]
)


@pytest.fixture(scope="module")
def ball():
    """Normals (1, 3, S, S) of the front of a ball, 0 around it."""
    steps = torch.linspace(-1.15, 1.15, SIDE)
    y, x = torch.meshgrid(-steps, steps, indexing="ij")
    inside = x**2 + y**2 < 0.97
    z = (1 - x**2 - y**2).clamp(min=0).sqrt()
    return torch.stack([x, y, z])[None] * inside


def lit(normals: torch.Tensor, light: Light, albedo: torch.Tensor | float = 1.0) -> torch.Tensor:
    """The image (1, 3, S, S) of matt surfaces, gamma encoded."""
    linear = light.shading(normals.movedim(1, -1)).movedim(-1, 1) * albedo
    return (linear * (normals.square().sum(1, keepdim=True) > 0)).clamp(0, 1) ** (1 / 2.2)


def rows(maps: torch.Tensor, normals: torch.Tensor) -> torch.Tensor:
    """Values (N, 3) of the surface's pixels."""
    return maps.movedim(1, -1)[normals.square().sum(1) > 0]


def turned(normals: torch.Tensor, yaw_deg: float) -> torch.Tensor:
    """Where surfaces with these normals looked before they turned by `yaw_deg` about the vertical."""
    c, s = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    back = torch.tensor([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    return torch.einsum("ij,bjhw->bihw", back, normals)


def relative_error(light: Light, normals: torch.Tensor) -> torch.Tensor:
    expected = Light(COEFFICIENTS).shading(rows(normals, normals))
    return ((light.shading(rows(normals, normals)) - expected).abs() / expected).mean()


def test_light_on_a_matt_ball_is_recovered(ball):
    image = lit(ball, Light(COEFFICIENTS))
    light = fit_light(rows(image, ball), rows(ball, ball), rows(ball, ball)[:, 2])
    assert relative_error(light, ball) < 0.03


def test_dark_patches_and_highlights_do_not_bend_the_light(ball):
    albedo = torch.ones(1, 1, SIDE, SIDE)
    albedo[..., 60:80, 30:66] = 0.25  # a beard
    albedo[..., 34:38, 40:46] = 1.6  # a highlight
    image = lit(ball, Light(COEFFICIENTS), albedo)
    light = fit_light(rows(image, ball), rows(ball, ball), rows(ball, ball)[:, 2])
    assert relative_error(light, ball) < 0.06


def test_coloured_lamps_keep_their_colours(ball):
    coefficients = COEFFICIENTS.clone()
    coefficients[3] = torch.tensor([0.3, -0.1, -0.3])  # red from the right, blue from the left
    image = lit(ball, Light(coefficients))
    light = fit_light(rows(image, ball), rows(ball, ball), rows(ball, ball)[:, 2])
    assert light.coefficients[3, 0] > 0.1 and light.coefficients[3, 2] < -0.1


def test_turned_ball_is_relit_as_the_light_demands(ball):
    light = Light(COEFFICIENTS)
    before = turned(ball, 25)
    albedo = 0.7 + 0.3 * torch.sin(7 * before[:, :1]) * torch.cos(9 * before[:, 1:2])
    truth = lit(ball, light, albedo)
    carried = lit(before, light, albedo)
    fitted = fit_light(rows(lit(ball, light), ball), rows(ball, ball), rows(ball, ball)[:, 2])
    seen = (before[:, 2:] > 0.3).expand_as(truth)
    error = (carried - truth).square()[seen].mean()
    error_relit = (relight(carried, ball, before, fitted) - truth).square()[seen].mean()
    assert error_relit < error / 8


def test_strength_goes_from_nothing_to_all(ball):
    light, before = Light(COEFFICIENTS), turned(ball, 30)
    image = torch.full((1, 3, SIDE, SIDE), 0.4)
    assert relight(image, ball, before, light, 0.0) is image
    full, half = (light_field(ball, before, light, s) for s in (1.0, 0.5))
    torch.testing.assert_close(half.square(), full)
    assert (full - 1).abs().max() > 0.1


def test_field_stays_within_sane_limits_and_is_smooth(ball):
    harsh = COEFFICIENTS.clone()
    harsh[3] *= 2.5
    field = light_field(ball, turned(ball, 60), Light(harsh))
    assert field.min() >= MIN_RATIO - 1e-6 and field.max() <= MAX_RATIO + 1e-6
    assert (field[..., 1:] - field[..., :-1]).abs().max() < 0.1


def test_nothing_changes_without_a_turn_or_under_even_light(ball):
    even = torch.zeros(9, 3)
    even[0] = 1.0
    ones = torch.ones(1, 3, SIDE, SIDE)
    torch.testing.assert_close(light_field(ball, ball, Light(COEFFICIENTS)), ones)
    torch.testing.assert_close(light_field(ball, turned(ball, 40), Light(even)), ones)


def test_surroundings_of_the_face_keep_their_light(ball):
    field = light_field(ball, turned(ball, 30), Light(COEFFICIENTS))
    assert (field[..., :2, :2] - 1).abs().max() < 0.02
    nothing = torch.zeros_like(ball)
    torch.testing.assert_close(light_field(nothing, nothing, Light(COEFFICIENTS)), torch.ones(1, 3, SIDE, SIDE))


def test_harmonics_are_orthonormal_over_the_sphere():
    directions = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0))
    harmonics = spherical_harmonics(directions / directions.norm(dim=1, keepdim=True))
    gram = harmonics.T @ harmonics / len(directions) * 4 * math.pi
    torch.testing.assert_close(gram, torch.eye(9), atol=0.03, rtol=0)


def test_images_are_relit_on_many_frames_at_once(ball):
    light, before = Light(COEFFICIENTS), turned(ball, 20)
    both = relight(torch.full((2, 3, SIDE, SIDE), 0.5), torch.cat([ball, ball]), torch.cat([before, ball]), light)
    torch.testing.assert_close(both[:1], relight(torch.full((1, 3, SIDE, SIDE), 0.5), ball, before, light))


def test_wrong_shapes_and_strengths_are_rejected_with_what_to_pass(ball):
    with pytest.raises(ValueError, match="one row per point"):
        fit_light(torch.zeros(4, 3), torch.zeros(5, 3), torch.ones(4))
    with pytest.raises(ValueError, match="two maps"):
        light_field(ball, ball[:, :, :10], Light(COEFFICIENTS))
    with pytest.raises(ValueError, match="strength"):
        light_field(ball, ball, Light(COEFFICIENTS), 1.5)
