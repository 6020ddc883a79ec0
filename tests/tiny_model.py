"""A complete model small enough for tests: real classes, random weights, two steps."""

from dataclasses import replace
from pathlib import Path

import torch

from diffusionact.generation import ModelComponents, PipelineConfig, save_components
from diffusionact.models import ReenactmentEncoder, SemanticEncoder, UNet
from diffusionact.schedulers import DDIMScheduler

SEMANTIC_DIM = 16


def make_tiny_unet(sample_size: int = 32, patch_size: int = 2, seed: int = 0) -> torch.nn.Module:
    """A UNet of two levels with attention at the coarser one; patch_size keeps it fast."""
    unet = UNet(
        sample_size=sample_size,
        patch_size=patch_size,
        block_out_channels=(8, 16),
        layers_per_block=1,
        attention_resolutions=(sample_size // patch_size // 2,),
        semantic_dim=SEMANTIC_DIM,
        time_dim=16,
        norm_groups=4,
        dropout=0.0,
    )
    return fill_randomly(unet, seed)


def make_tiny_encoder(kind: type = ReenactmentEncoder, sample_size: int = 32, patch_size: int = 2, seed: int = 1):
    """A `SemanticEncoder` or `ReenactmentEncoder` of two levels with attention at the coarser one."""
    encoder = kind(
        sample_size=sample_size,
        patch_size=patch_size,
        block_out_channels=(8, 16),
        layers_per_block=1,
        attention_resolutions=(sample_size // patch_size // 2,),
        semantic_dim=SEMANTIC_DIM,
        norm_groups=4,
    )
    return fill_randomly(encoder, seed)


def make_tiny_components(sample_size: int = 32, fine_tuned: bool = False) -> ModelComponents:
    """A model with the v_prediction scheduler and landmarks in the aligned image; `fine_tuned` gives it two UNets."""
    unet = make_tiny_unet(sample_size)
    return ModelComponents(
        unet=unet,
        inversion_unet=make_tiny_unet(sample_size, seed=2) if fine_tuned else unet,
        reenactment_encoder=make_tiny_encoder(ReenactmentEncoder, sample_size),
        semantic_encoder=make_tiny_encoder(SemanticEncoder, sample_size),
        scheduler=DDIMScheduler(prediction_type="v_prediction"),
        config=PipelineConfig(landmark_frame="aligned", num_inference_steps=2, num_inversion_steps=4),
    )


def make_tiny_model(folder: Path, sample_size: int = 32, fine_tuned: bool = False) -> Path:
    """Write such a model and return its folder."""
    save_components(make_tiny_components(sample_size, fine_tuned), folder)
    return folder


@torch.no_grad()
def make_faithful_model(folder: Path, fine_tuned: bool = False) -> Path:
    """Write a tiny model of 64 px whose images show the source, paler, and return its folder.

    Face readers search the noise that `make_tiny_model` gives for a long time. Here the UNet's part is a tenth, and the
    noise levels are such that an image comes through two steps of inversion and two of decoding with a third of its
    contrast.
    """
    components = make_tiny_components(64, fine_tuned)
    for unet in {components.unet, components.inversion_unet}:
        unet.conv_out.weight.mul_(0.1)
        unet.conv_out.bias.mul_(0.1)
    half_way = DDIMScheduler(prediction_type="v_prediction", beta_end=0.0055)  # alpha_bar 0.5 at the middle step
    save_components(replace(components, scheduler=half_way), folder)
    return folder


@torch.no_grad()
def fill_randomly(network: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Fill every parameter, also those that start at zero, so that every branch speaks."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim > 1:
            parameter.copy_(noise / parameter[0].numel() ** 0.5)
        else:
            parameter.copy_(0.05 * noise + (1.0 if "norm" in name and name.endswith("weight") else 0.0))
    return network.eval()
