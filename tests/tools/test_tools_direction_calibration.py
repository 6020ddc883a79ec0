"""Calibration of expression directions on tracked clips."""

import torch

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.face.readers.open.expression_directions import load_directions
from diffusionact.warping.topology import LIP_RING
from tools.direction_calibration import ClipMotion, calibrate, mirrored, mirrored_names


def test_a_mirror_image_twice_is_the_original():
    names = mirrored_names()
    assert [names[i] for i in names] == list(range(52))
    assert EXPRESSION_NAMES[names[EXPRESSION_NAMES.index("mouthSmileLeft")]] == "mouthSmileRight"


def test_a_direction_that_was_too_weak_is_found():
    torch.manual_seed(0)
    directions = load_directions()
    jaw, blink = EXPRESSION_NAMES.index("jawOpen"), EXPRESSION_NAMES.index("eyeBlinkLeft")
    expression = torch.rand(400, 52) * torch.tensor([float(i in (jaw, blink)) for i in range(52)])
    expression = expression - expression.mean(0)
    true = directions.clone()
    true[jaw, :, 1] += 0.3 * (directions[jaw, :, 1] + mirrored(directions[jaw : jaw + 1])[0, :, 1])
    head = torch.einsum("fe,evc->fvc", expression, true)
    pose = 0.01 * torch.randn(400, 6)
    found = calibrate(directions, [ClipMotion(expression, head, pose)])
    lips = list(LIP_RING)
    before = (directions[jaw] - true[jaw])[lips].norm(dim=-1).mean()
    assert (found[jaw] - true[jaw])[lips].norm(dim=-1).mean() < 0.4 * before
    assert torch.equal(found[blink], directions[blink])
    assert torch.equal(found[..., 2], directions[..., 2])
