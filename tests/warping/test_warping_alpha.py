"""Frames with alpha: the person without the background, and a photo's own transparency that moves as its colours do."""

from dataclasses import replace

import pytest
import torch

from diffusionact.warping import WarpRenderer, coefficient_motion
from diffusionact.warping.source import with_alpha

SIDE = 160


@pytest.fixture(scope="module")
def frames(source, directions, own, turn):
    """Own pose and a turn by 20 degrees, rendered with other sources and settings."""
    motion = [coefficient_motion(source, directions, pose, source.gaze) for pose in (own, turn(yaw=20.0))]

    def rendered(of=source, **options):
        renderer = WarpRenderer(of, SIDE, relight=0.0, **options)
        return [renderer.render(part) for part in motion]

    return rendered


def unit(image):
    return (image + 1) / 2


def test_opaque_frames_have_full_alpha(frames):
    assert all(bool((frame.alpha == 1).all()) for frame in frames())


def test_over_the_background_the_cut_out_person_is_the_opaque_frame(frames):
    turned, cut = frames()[1], frames(transparent=True)[1]
    over = unit(cut.images) * cut.alpha + 0.5 * (1 - cut.alpha)  # the source's background is a plain grey
    assert float((over - unit(turned.images)).abs().mean()) < 1e-3
    assert 0.3 < float(cut.alpha.mean()) < 0.9 and float(cut.alpha.amin()) < 0.01


def test_alpha_moves_with_the_head(frames):
    still, turned = (frame.alpha[0, 0] for frame in frames(transparent=True))
    assert float((still - turned).abs().mean()) > 0.005


def test_a_partly_transparent_photo_keeps_its_alpha(source, frames):
    # The photo of 512 px, transparent in its left third.
    alpha = torch.ones(1, 1, 512, 512)
    alpha[..., :190] = 0.0
    partly = with_alpha(source, alpha)
    still, turned = (frame.alpha[0, 0] for frame in frames(partly, transparent=True))
    plain = frames()[0]
    assert float(still.amin()) < 0.01 and float(still.amax()) > 0.99
    with_colours = frames(partly, transparent=True)[0]
    assert float((with_colours.images - plain.images).abs().mean()) < 1e-3, "colours do not know of alpha"
    assert float(turned[60:100, 60:100].amin()) > 0.99, "the face covers what is behind it"
    assert not bool((frames(replace(partly))[0].alpha < 1).any()), "without asking, frames are opaque"
