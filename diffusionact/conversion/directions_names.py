"""What the authors' files of the engine `directions` call their weights, and what our networks do.

Tables first, then where the layers stand. Fixed blur kernels and counters are no weights.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..models import Directions, InversionEncoder, StyleGAN2

# Inside a styled layer of the generator, and inside what makes an image of its features.
STYLED_LAYER = {
    "conv.weight": "convolution.weight",
    "conv.modulation.weight": "convolution.modulation.weight",
    "conv.modulation.bias": "convolution.modulation.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
}
TO_RGB = {
    "conv.weight": "convolution.weight",
    "conv.modulation.weight": "convolution.modulation.weight",
    "conv.modulation.bias": "convolution.modulation.bias",
    "bias": "bias",
}
LATERALS = {"latlayer1": "lateral_middle", "latlayer2": "lateral_fine"}
# Endings of keys of the generator's file that are left out, with the reason.
UNUSED_ENDINGS = {".kernel": "the fixed blur kernel, which is known"}
# Buffers that no file holds.
OWN_BUFFERS = ("mean_latent",)


def generator_names(generator: StyleGAN2) -> dict[str, str]:
    """Official key -> our key, for every weight and every noise map of the generator."""
    names = {"input.input": "constant"}
    for index in range(len(generator.mapping.layers)):
        for kind in ("weight", "bias"):  # official layer 0 is the normalisation
            names[f"style.{index + 1}.{kind}"] = f"mapping.layers.{index}.{kind}"
    for index in range(len(generator.layers)):
        official = f"convs.{index - 1}" if index else "conv1"
        names |= _inside(official, f"layers.{index}", STYLED_LAYER)
        names[f"noises.noise_{index}"] = f"layers.{index}.noise"
    for index in range(len(generator.to_rgb)):
        official = f"to_rgbs.{index - 1}" if index else "to_rgb1"
        names |= _inside(official, f"to_rgb.{index}", TO_RGB)
    return names


def inversion_encoder_names(encoder: InversionEncoder) -> dict[str, str]:
    """Official key -> our key, for every tensor of the encoder; its trunk has the official names."""
    ours = encoder.state_dict()
    names = {key: key for key in ours if key.startswith(("input_layer.", "body."))}
    for official, mine in LATERALS.items():
        names |= {f"{official}.{kind}": f"{mine}.{kind}" for kind in ("weight", "bias")}
    for key in ours:
        if key.startswith("heads."):
            official = key.replace("heads.", "styles.").replace(".convolutions.", ".convs.")
            names[official] = key
    return names


def directions_names(directions: Directions) -> dict[str, str]:
    """Official key -> our key: they are the same."""
    return {key: key for key in directions.state_dict()}


def with_our_shape(ours: str, tensor: Tensor) -> Tensor:
    """An official weight in the shape that our layer has: theirs carry axes of length 1 for the batch and the image."""
    if ours.endswith("convolution.weight") and tensor.ndim == 5:
        return tensor.squeeze(0)
    if ours.startswith("to_rgb.") and ours.endswith(".bias") and tensor.ndim == 4:
        return tensor.flatten()
    return tensor


def _inside(official: str, ours: str, layers: Mapping[str, str]) -> dict[str, str]:
    return {f"{official}.{theirs}": f"{ours}.{mine}" for theirs, mine in layers.items()}
