"""A model of the engine `directions` small enough for tests: real classes, random weights, 32 px."""

from pathlib import Path

import torch

from diffusionact.generation.directions_folder import DirectionsComponents, DirectionsConfig, save_directions
from diffusionact.generation.face_parameters import jaw_alone
from diffusionact.models import Directions, InversionEncoder, StyleGAN2

GENERATOR = {"channels": (8, 8, 6, 4), "style_dim": 16, "mapping_layers": 2}
ENCODER = {"sample_size": 32, "width": 4, "style_dim": 16, "num_rows": 8}
DIRECTIONS = {"num_directions": 15, "num_rows": 4, "style_dim": 16}


OFFICIAL_SIZE_GENERATOR = {"channels": (8, 8, 8, 8, 4, 4, 4), "style_dim": 16, "mapping_layers": 2}
OFFICIAL_SIZE_ENCODER = {"sample_size": 256, "width": 2, "style_dim": 16, "num_rows": 14}


@torch.no_grad()
def make_tiny_directions(seed: int = 0, is_official_size: bool = False) -> DirectionsComponents:
    """Random weights of the size at which training begins; `is_official_size` makes images of 256 px."""
    torch.manual_seed(seed)
    generator = StyleGAN2(**(OFFICIAL_SIZE_GENERATOR if is_official_size else GENERATOR))
    for layer in generator.layers:
        layer.noise_strength.fill_(0.1)
    generator.mean_latent.copy_(generator.sampled_mean_latent(256))
    encoder = InversionEncoder(**(OFFICIAL_SIZE_ENCODER if is_official_size else ENCODER)).eval()
    return DirectionsComponents(generator, encoder, Directions(**DIRECTIONS), jaw_alone(), DirectionsConfig())


def make_tiny_directions_model(folder: Path, seed: int = 0) -> Path:
    """Write such a model and return its folder."""
    save_directions(make_tiny_directions(seed), folder)
    return folder
