"""Three-part errors at the doors."""

import pytest
import torch

from diffusionact import checks

IMAGES = torch.zeros(2, 3, 4, 4)
FRAMES = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
LANDMARKS = torch.zeros(1, 68, 2)


def test_right_values_pass():
    checks.check_images("source", IMAGES - 1)
    checks.check_images("source", (IMAGES + 1).half())
    checks.check_frames("frames", FRAMES)
    checks.check_landmarks("landmarks", LANDMARKS)
    checks.check_positive_int("steps", 1)
    checks.check_in_range("strength", 1.0, 0.0, 1.0)
    assert checks.check_choice("preset", "fast", ("fast", "paper")) is None


@pytest.mark.parametrize(
    "wrong", [IMAGES[0], IMAGES[:, :2], IMAGES[:0], IMAGES.to(torch.uint8), IMAGES + 1.01, IMAGES * 0 + 255]
)
def test_wrong_images_are_described(wrong):
    with pytest.raises(ValueError, match=r"Expected source .*\[-1, 1\], received shape \(.*; convert"):
        checks.check_images("source", wrong)


def test_range_is_part_of_the_message():
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4, 4\), float32, range \[0, 200\]"):
        images = IMAGES.clone()
        images[0, 0, 0, 0] = 200
        checks.check_images("source", images)


def test_nan_is_counted():
    images = IMAGES.clone()
    images[0, 0, 0, :3] = torch.nan
    with pytest.raises(ValueError, match="3 of 96 values NaN or infinite"):
        checks.check_images("source", images)


@pytest.mark.parametrize("wrong", [FRAMES[0], FRAMES[:0], FRAMES.float(), FRAMES.permute(0, 3, 1, 2)])
def test_wrong_frames_are_described(wrong):
    with pytest.raises(ValueError, match=r"Expected driving as frames.*received shape \(.*model_to_uint8"):
        checks.check_frames("driving", wrong)


@pytest.mark.parametrize("wrong", [LANDMARKS[0], LANDMARKS[:, :67], LANDMARKS.long(), LANDMARKS + torch.inf])
def test_wrong_landmarks_are_described(wrong):
    with pytest.raises(ValueError, match=r"Expected landmarks .*received shape \("):
        checks.check_landmarks("landmarks", wrong)


@pytest.mark.parametrize("wrong", [0, -3, 2.0, True])
def test_counts_must_be_positive_whole_numbers(wrong):
    with pytest.raises(ValueError, match=f"Expected steps .*received {wrong!r}; pass"):
        checks.check_positive_int("steps", wrong)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_numbers_outside_the_limits_are_refused(wrong):
    with pytest.raises(ValueError, match=r"Expected strength in \[0.0, 1.0\], received .*; choose"):
        checks.check_in_range("strength", wrong, 0.0, 1.0)


def test_unknown_choice_lists_the_known_ones():
    with pytest.raises(ValueError, match="one of 'fast', 'paper', received 'slow'"):
        checks.check_choice("preset", "slow", ("fast", "paper"))
