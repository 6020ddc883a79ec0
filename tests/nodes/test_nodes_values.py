"""Values on sockets that must belong together."""

from dataclasses import replace

import pytest
import torch

from diffusionact.face.pose.extraction import LandmarkFrame
from diffusionact.types import CropTransform, FaceCoefficients, SourceCodes


@pytest.fixture
def source(node_module):
    """A source whose codes are those of a made-up engine."""
    crop = CropTransform(torch.zeros(1, 2, 3), 32)
    coefficients = FaceCoefficients(*(torch.zeros(1, 3) for _ in range(4)), "open")
    codes = {"style": torch.ones(1, 8, dtype=torch.bfloat16), "grid": torch.zeros(1, 2, 4, 4)}
    encoded = SourceCodes(torch.zeros(1, 3, 32, 32), crop, coefficients, crop, torch.zeros(1, 2), codes)
    return node_module("comfy.values").Source(encoded, torch.zeros(60, 80, 3), "model", LandmarkFrame("aligned", 32))


def with_codes(source, **changes: torch.Tensor):
    return replace(source, codes=replace(source.codes, codes={**source.codes.codes, **changes}))


def codes_of(node_module, source):
    values = node_module("comfy.values")
    conditioning = values.Conditioning({"style": torch.zeros(4, 8)})
    return values.Codes(conditioning, source.codes_hash, "model", values.Timing())


def test_codes_of_another_source_are_rejected(node_module, source):
    codes = codes_of(node_module, source)
    for other in (with_codes(source, style=torch.zeros(1, 8)), with_codes(source, grid=torch.ones(1, 2, 4, 4))):
        with pytest.raises(ValueError, match="codes of another source"):
            codes.check(other)


def test_codes_fit_a_copy_of_their_source(node_module, source):
    swapped = dict(reversed([(name, tensor.clone()) for name, tensor in source.codes.codes.items()]))
    codes_of(node_module, source).check(replace(source, codes=replace(source.codes, codes=swapped)))


def test_codes_fit_their_source_after_it_was_saved(node_module, source, tmp_path):
    from diffusionact.data.saved_values import load_value, save_value

    save_value(source.codes, tmp_path / "source.safetensors")
    loaded = replace(source, codes=load_value(tmp_path / "source.safetensors", SourceCodes))
    codes_of(node_module, source).check(loaded)
