"""Values on sockets that must belong together."""

from dataclasses import replace

import pytest
import torch

from diffusionact.face.pose.extraction import LandmarkFrame
from diffusionact.types import CropTransform, FaceCoefficients, SourceCodes


def test_codes_of_another_source_are_refused_and_a_copy_of_their_own_is_taken(node_module):
    values = node_module("values")
    crop = CropTransform(torch.zeros(1, 2, 3), 32)
    coefficients = FaceCoefficients(*(torch.zeros(1, 3) for _ in range(4)))
    image = torch.zeros(1, 3, 32, 32)
    encoded = SourceCodes(
        image,
        crop,
        coefficients,
        crop,
        torch.zeros(1, 2),
        {"semantic_code": torch.ones(1, 8), "stochastic_code": image},
    )
    source = values.Source(encoded, torch.zeros(60, 80, 3), "model", LandmarkFrame("aligned", 32))
    codes = values.Codes(torch.zeros(4, 8), torch.ones(1, 8), "model", values.Timing())
    codes.check(source)
    other = replace(source, codes=replace(encoded, semantic_code=torch.zeros(1, 8)))
    with pytest.raises(ValueError, match="codes of another source"):
        codes.check(other)
