"""Exporting a trained model for shipping."""

import torch
from tiny_model import make_tiny_model

from diffusionact.generation import load_components
from train.export import export


def test_an_exported_model_is_half_the_size_with_new_step_counts(tmp_path):
    trained = make_tiny_model(tmp_path / "trained")
    export(trained, tmp_path / "shipped", 5, 8, torch.float16)
    before, after = load_components(trained), load_components(tmp_path / "shipped")
    assert (after.config.num_inference_steps, after.config.num_inversion_steps) == (5, 8)
    torch.testing.assert_close(after.unet.conv_in.weight, before.unet.conv_in.weight.half().float())
    sizes = [
        (folder / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size
        for folder in (trained, tmp_path / "shipped")
    ]
    assert sizes[1] < 0.65 * sizes[0]
