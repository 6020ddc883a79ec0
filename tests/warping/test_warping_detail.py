"""Detail of the warped photo laid on an engine's low-resolution frames."""

import pytest
import torch
import torch.nn.functional as F

from diffusionact.images import uint8_to_model
from diffusionact.warping import add_detail, split_side


@pytest.fixture(scope="module")
def face(photo):
    """A sharp picture (1, 3, 256, 256) and what an engine of 64 px would show of it."""
    sharp = uint8_to_model(photo[None, 0:256, 96:352])
    return sharp, F.interpolate(sharp, size=(64, 64), mode="bicubic", antialias=True).clamp(-1, 1)


def sharpness(images):
    """Mean difference of neighbouring pixels."""
    return float((images[..., 1:] - images[..., :-1]).abs().mean())


def test_confident_pixels_become_sharp(face):
    sharp, low = face
    enlarged = F.interpolate(low, size=(256, 256), mode="bicubic").clamp(-1, 1)
    result = add_detail(low, sharp, torch.ones(1, 1, 256, 256))
    assert sharpness(result) > 1.3 * sharpness(enlarged)
    assert (result - sharp).square().mean() < 0.1 * (enlarged - sharp).square().mean()


def test_low_frequencies_stay_those_of_the_engine(face):
    sharp, low = face
    darker = (low - 0.08).clamp(-1, 1)  # an engine that saw another light
    result = add_detail(darker, sharp, torch.ones(1, 1, 256, 256))
    again = F.interpolate(result, size=(64, 64), mode="bicubic", antialias=True)
    assert (again - darker).abs().mean() < 0.01


def test_without_confidence_the_engine_alone_is_shown(face):
    sharp, low = face
    result = add_detail(low, sharp, torch.zeros(1, 1, 256, 256))
    assert torch.equal(result, F.interpolate(low, size=(256, 256), mode="bicubic").clamp(-1, 1))


def test_detail_stops_where_the_engine_shows_something_else(face):
    sharp, low = face
    other = low.clone()
    other[..., 16:48, 16:48] = -other[..., 16:48, 16:48].sign()  # an open mouth where the photo has skin
    result = add_detail(other, sharp, torch.ones(1, 1, 256, 256))
    enlarged = F.interpolate(other, size=(256, 256), mode="bicubic").clamp(-1, 1)
    assert (result - enlarged)[..., 96:160, 96:160].abs().mean() < 0.25 * (result - enlarged)[..., :48, :].abs().mean()


def test_soft_frames_are_split_lower_and_become_sharper(face):
    sharp, low = face
    sure = torch.ones(1, 1, 256, 256)
    soft = F.interpolate(F.interpolate(low, size=(32, 32), mode="area"), size=(64, 64), mode="bicubic").clamp(-1, 1)
    assert split_side(low, sharp, sure) == 64 and split_side(soft, sharp, sure) == 32
    plain, split = (add_detail(soft, sharp, sure, side) for side in (None, 32))
    assert sharpness(split) > sharpness(plain)
    assert (split - sharp).square().mean() < 0.7 * (plain - sharp).square().mean()


def test_shapes_that_do_not_belong_together_are_rejected(face):
    sharp, low = face
    with pytest.raises(ValueError, match="same frames"):
        add_detail(low, sharp, torch.ones(1, 1, 64, 64))
    with pytest.raises(ValueError, match="at least their size"):
        add_detail(sharp, low, torch.ones(1, 1, 64, 64))
