"""Creases of a smile fade with it, and with nothing else."""

from dataclasses import replace

import torch

from diffusionact.face.expression_names import EXPRESSION_NAMES
from diffusionact.warping import WarpRenderer, coefficient_motion
from diffusionact.warping.creases import LINES, find_creases
from diffusionact.warping.sampling import pixel_centres, segment_distance
from diffusionact.warping.view import plane_to_output


def creased(source):
    """The source with a dark fold on both sides of the mouth."""
    side = source.texture.shape[-1]
    pixels = pixel_centres(side, side, source.device)
    away = torch.full((side, side), torch.inf)
    for line in LINES:
        points = (source.positions[list(line)] + 1) * (side / 2) - 0.5
        away = torch.minimum(away, segment_distance(*pixels.unbind(-1), points[:-1], points[1:])[0].amin(0).sqrt())
    return replace(source, texture=source.texture * (1 - 0.5 * (-(away / (0.012 * side)).square()).exp()))


def test_fold_fades_as_the_smile_goes_and_stays_while_it_lasts(source, own, turn, directions):
    smiling = creased(replace(source, expression=own.expression.clone().index_fill(1, torch.tensor(SMILES), 0.7)))
    renderer, kept = WarpRenderer(smiling, 256), WarpRenderer(smiling, 256)
    kept._creases = None
    values = {name: 0.0 for name in EXPRESSION_NAMES if name.startswith(("mouth", "jaw"))}
    relaxed = coefficient_motion(smiling, directions, turn(**values), source.gaze)
    same = coefficient_motion(smiling, directions, replace(own, expression=smiling.expression), source.gaze)
    points = plane_to_output(relaxed.placement.place(smiling.shape + relaxed.change)[0], renderer.to_output)
    x, y = points[[206, 216, 426, 436], :2].round().long().unbind(1)
    faded, folded = (one.render(relaxed).images[0, :, y, x] for one in (renderer, kept))
    assert (faded - folded).mean() > 0.15
    assert torch.equal(renderer.render(same).images, kept.render(same).images)


def test_face_that_does_not_smile_has_none(source):
    assert find_creases(replace(source, expression=torch.zeros_like(source.expression))) is None


SMILES = [EXPRESSION_NAMES.index(name) for name in ("mouthSmileLeft", "mouthSmileRight")]
