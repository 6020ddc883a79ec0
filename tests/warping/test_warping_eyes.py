"""Eyes that the photo shows shut."""

import torch

from diffusionact.warping.eyes import prepare_eyes
from diffusionact.warping.topology import EYE_RINGS, IRISES, NUM_FACE, NUM_MESH


def with_shut_eyes(source, shut):
    """The mesh (478, 2) of a source's canvas, the lids of some eyes on each other."""
    mesh = torch.zeros(NUM_MESH, 2)
    mesh[:NUM_FACE] = source.positions[:NUM_FACE]
    for iris, points in zip(IRISES, source.irises, strict=True):
        mesh[list(iris)] = points
    for eye in shut:
        ring = EYE_RINGS[eye]
        mesh[list(ring[1:8])] = mesh[list(ring[:8:-1])]
    return mesh


def test_a_shut_eye_takes_the_iris_of_the_open_one_else_a_dull_one(bare_source):
    open_eyes, wink, shut = (
        prepare_eyes(bare_source.texture, with_shut_eyes(bare_source, eyes)).iris_rings for eyes in ((), (0,), (0, 1))
    )
    assert torch.equal(wink[0], open_eyes[1]) and torch.equal(wink[1], open_eyes[1])
    assert not torch.equal(open_eyes[0], open_eyes[1])
    assert (shut.amax(1) - shut.amin(1)).max() < 0.1 < shut.amax() < 0.4
