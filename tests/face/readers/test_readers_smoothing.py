"""One Euro smoothing: causal, stream-safe, quiet at rest and quick in motion."""

import math

import torch

from diffusionact.face.readers.smoothing import OneEuroFilter, smooth_observations
from diffusionact.types import FaceObservation, concatenate


def noisy_observation(count: int, seed: int = 0) -> FaceObservation:
    generator = torch.Generator().manual_seed(seed)
    place = torch.rand(1, 68, 2, generator=generator) * 100

    def noise(*shape: int, scale: float) -> torch.Tensor:
        return torch.randn(count, *shape, generator=generator) * scale

    return FaceObservation(
        landmarks=place + noise(68, 2, scale=0.5),
        pupils=place[:, :2] + noise(2, 2, scale=0.5),
        head_pose=noise(3, scale=1.0),
        gaze=noise(2, scale=0.02),
        expression=noise(52, scale=0.01).abs(),
        confidence=torch.ones(count),
        found=torch.ones(count, dtype=torch.bool),
    )


def rows(observation: FaceObservation, sizes: list[int]) -> list[FaceObservation]:
    names = observation.__dataclass_fields__
    parts = [getattr(observation, name).split(sizes) for name in names]
    return [FaceObservation(*part) for part in zip(*parts, strict=True)]


def test_filter_equals_the_published_recurrence():
    rate, min_cutoff, beta = 30.0, 1.5, 0.7
    signal = [math.sin(k / 5) + 0.1 * (k % 3) for k in range(40)]
    smooth = OneEuroFilter(rate, min_cutoff, beta)
    value, speed = signal[0], 0.0
    for k, sample in enumerate(signal):
        filtered = float(smooth(torch.tensor([sample], dtype=torch.float64)))
        if k:
            share = 1 / (1 + 1 / (2 * math.pi * 1.0) * rate)
            speed = share * (sample - value) * rate + (1 - share) * speed
            share = 1 / (1 + 1 / (2 * math.pi * (min_cutoff + beta * abs(speed))) * rate)
            value = share * sample + (1 - share) * value
        assert abs(filtered - value) < 1e-12


def test_constant_signal_stays_and_noise_shrinks():
    still = OneEuroFilter(25.0, 1.0, 0.0)
    constant = torch.full((2, 3), 4.0)
    assert all(torch.equal(still(constant), constant) for _ in range(5))
    seen = noisy_observation(100)
    smooth = concatenate(list(smooth_observations([seen], 25.0, 1.0)))
    for name in ("landmarks", "pupils", "head_pose", "gaze", "expression"):
        assert getattr(smooth, name)[20:].std(0).mean() < 0.6 * getattr(seen, name)[20:].std(0).mean()


def test_result_does_not_depend_on_how_frames_are_grouped():
    seen = noisy_observation(12)
    together = concatenate(list(smooth_observations([seen], 25.0, 0.5)))
    grouped = concatenate(list(smooth_observations(rows(seen, [1, 4, 2, 5]), 25.0, 0.5)))
    assert all(torch.equal(getattr(together, name), getattr(grouped, name)) for name in together.__dataclass_fields__)


def test_later_frames_do_not_change_earlier_ones():
    seen = noisy_observation(12)
    head = concatenate(list(smooth_observations(rows(seen, [8, 4])[:1], 25.0, 0.5)))
    whole = concatenate(list(smooth_observations([seen], 25.0, 0.5)))
    assert torch.equal(whole.landmarks[:8], head.landmarks)


def test_stronger_smoothing_is_smoother():
    seen = noisy_observation(60)
    spread = [
        concatenate(list(smooth_observations([seen], 25.0, strength))).landmarks[20:].std(0).mean()
        for strength in (0.1, 0.5, 1.0)
    ]
    assert spread[0] > spread[1] > spread[2]


def test_a_fast_move_is_followed_within_a_few_frames():
    seen = noisy_observation(20)
    seen.landmarks[10:] += 60.0
    smooth = concatenate(list(smooth_observations([seen], 25.0, 0.5)))
    assert (smooth.landmarks[14] - seen.landmarks[14]).abs().mean() < 4.0


def test_head_pose_passes_half_a_turn_without_a_swing():
    seen = noisy_observation(30)
    seen.head_pose[:] = 0
    seen.head_pose[:, 2] = torch.where(torch.arange(30) % 2 == 0, 179.0, -179.0)
    smooth = concatenate(list(smooth_observations([seen], 25.0, 0.5)))
    assert (smooth.head_pose[:, 2].abs() > 178).all()
