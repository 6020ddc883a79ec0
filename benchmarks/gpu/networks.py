"""Networks to measure: the bundled diffusion model, and others with random weights, on which time does not depend."""

from __future__ import annotations

import torch
from torch import nn

from diffusionact.generation import ModelComponents, PipelineConfig, load_components
from diffusionact.generation.directions_folder import DirectionsComponents, DirectionsConfig
from diffusionact.generation.face_parameters import jaw_alone
from diffusionact.models import Directions, InversionEncoder, ReenactmentEncoder, SemanticEncoder, StyleGAN2, UNet
from diffusionact.schedulers import DDIMScheduler

from .sizes import Sizes

RANDOM = "random weights"


def unets(sizes: Sizes) -> dict[str, UNet]:
    """Name -> UNet on the CPU in float32."""
    found = {f"{sizes.image} px, {RANDOM}": random_unet(sizes)}
    return found | ({"demo": load_components("demo").unet} if sizes.has_demo else {})


def random_unet(sizes: Sizes) -> UNet:
    """The official architecture, unless the sizes say otherwise."""
    torch.manual_seed(0)
    return without_zeros(UNet(**sizes.unet)).eval().requires_grad_(False)


def copy_of(
    unet: UNet,
    device: torch.device,
    dtype: torch.dtype,
    memory_format: torch.memory_format = torch.channels_last,
) -> UNet:
    """The same network elsewhere, by default in the memory format in which the pipeline runs it."""
    other = UNet.from_config(unet.config)
    other.load_state_dict(unet.state_dict())
    # diffusers' own `to` warns about an empty list of float32 modules.
    nn.Module.to(other, device, dtype, memory_format=memory_format)
    return other.eval().requires_grad_(False)


@torch.no_grad()
def without_zeros(network: nn.Module) -> nn.Module:
    """Fill the weights that training begins at zero, so that every branch counts in a comparison."""
    for weight in network.parameters():
        if weight.ndim > 1 and not weight.any():
            weight.normal_(std=0.1 / weight[0].numel() ** 0.5)
    return network


def random_diffusion(sizes: Sizes) -> ModelComponents:
    """A whole model of the engine `diffusion`."""
    unet = random_unet(sizes)
    return ModelComponents(
        unet=unet,
        inversion_unet=unet,
        reenactment_encoder=ReenactmentEncoder(**sizes.encoder),
        semantic_encoder=SemanticEncoder(**sizes.encoder),
        scheduler=DDIMScheduler(),
        config=PipelineConfig(landmark_frame="aligned", presets=sizes.presets),
    )


@torch.no_grad()
def random_directions(sizes: Sizes) -> DirectionsComponents:
    """A whole model of the engine `directions`."""
    torch.manual_seed(0)
    generator = StyleGAN2(**sizes.generator)
    generator.mean_latent.copy_(generator.sampled_mean_latent(256))
    inversion = InversionEncoder(**sizes.inversion_encoder).eval()
    return DirectionsComponents(generator, inversion, Directions(**sizes.directions), jaw_alone(), DirectionsConfig())
