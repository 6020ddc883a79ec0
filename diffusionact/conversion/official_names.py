"""What the official networks call their weights, and what ours do: tables first, then where the blocks stand.

Names here are without the holder's prefix (`ema_model.` and so on), which `official.py` adds.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..models import ReenactmentEncoder, SemanticEncoder, UNet

# Inside a residual block of the UNet: BeatGANs ResBlock with use_condition.
CONDITIONED_BLOCK = {
    "in_layers.0": "norm_in",
    "in_layers.2": "conv_in",
    "emb_layers.1": "time_projection",
    "cond_emb_layers.1": "semantic_projection",
    "out_layers.0": "norm_out",
    "out_layers.3": "conv_out",
    "skip_connection": "skip",
}
# Inside a residual block of the encoder: without condition the official block has no out_layers.
PLAIN_BLOCK = {"in_layers.0": "norm", "in_layers.2": "conv", "skip_connection": "skip"}
ATTENTION_BLOCK = {"norm": "norm", "qkv": "to_qkv", "proj_out": "to_out"}
# Official Conv1d kernels (C_out, C_in, 1), which are linear layers (C_out, C_in) here.
CONV1D_TO_LINEAR = ("qkv.weight", "proj_out.weight")

UNET_ENDS = {
    "time_embed.time_embed.0": "time_embedding.linear_1",
    "time_embed.time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "norm_out",
    "out.2": "conv_out",
}
ENCODER_ENDS = {"input_blocks.0.0": "conv_in", "out.0": "norm_out", "out.3": "projection"}
REENACTMENT_ENDS = {"zero_conv_1": "map_projection"}


def unet_names(unet: UNet) -> dict[str, str]:
    """Official key -> our key, for every weight of the UNet."""
    modules = dict(UNET_ENDS)
    for index, block in enumerate(unet.down_blocks):
        official, ours = f"input_blocks.{index + 1}", f"down_blocks.{index}"
        modules |= _inside(f"{official}.0", f"{ours}.residual", CONDITIONED_BLOCK)
        if block.attention is not None:
            modules |= _inside(f"{official}.1", f"{ours}.attention", ATTENTION_BLOCK)
    modules |= _inside("middle_block.0", "middle_block.first", CONDITIONED_BLOCK)
    modules |= _inside("middle_block.1", "middle_block.attention", ATTENTION_BLOCK)
    modules |= _inside("middle_block.2", "middle_block.last", CONDITIONED_BLOCK)
    for index, block in enumerate(unet.up_blocks):
        official, ours = f"output_blocks.{index}", f"up_blocks.{index}"
        modules |= _inside(f"{official}.0", f"{ours}.residual", CONDITIONED_BLOCK)
        if block.attention is not None:
            modules |= _inside(f"{official}.1", f"{ours}.attention", ATTENTION_BLOCK)
        if block.upsample is not None:
            # The doubling block stands behind the attention, where there is one.
            position = 1 if block.attention is None else 2
            modules |= _inside(f"{official}.{position}", f"{ours}.upsample", CONDITIONED_BLOCK)
    return _parameters(modules, unet.state_dict())


def semantic_encoder_names(encoder: SemanticEncoder) -> dict[str, str]:
    """Official key -> our key, for every weight of the semantic encoder."""
    modules = dict(ENCODER_ENDS)
    for index, block in enumerate(encoder.blocks):
        official, ours = f"input_blocks.{index + 1}", f"blocks.{index}"
        modules |= _inside(f"{official}.0", f"{ours}.residual", PLAIN_BLOCK)
        if block.attention is not None:
            modules |= _inside(f"{official}.1", f"{ours}.attention", ATTENTION_BLOCK)
    for index, layers in enumerate((PLAIN_BLOCK, ATTENTION_BLOCK, PLAIN_BLOCK)):
        modules |= _inside(f"middle_block.{index}", f"middle_block.{index}", layers)
    return _parameters(modules, encoder.state_dict())


def reenactment_encoder_names(encoder: ReenactmentEncoder) -> dict[str, str]:
    """Official key -> our key, for every weight of the reenactment encoder."""
    names = semantic_encoder_names(encoder.encoder)
    inside = {f"controlnet.{official}": f"encoder.{ours}" for official, ours in names.items()}
    return inside | _parameters(REENACTMENT_ENDS, encoder.state_dict())


def with_our_shape(official: str, tensor: Tensor) -> Tensor:
    """An official weight in the shape that our layer has."""
    if official.endswith(CONV1D_TO_LINEAR) and tensor.ndim == 3:
        return tensor.squeeze(-1)
    return tensor


def _inside(official: str, ours: str, layers: Mapping[str, str]) -> dict[str, str]:
    return {f"{official}.{theirs}": f"{ours}.{mine}" for theirs, mine in layers.items()}


def _parameters(modules: Mapping[str, str], state: Mapping[str, Tensor]) -> dict[str, str]:
    """From modules to their weights and biases, as far as the network has them: not every block has a skip."""
    names = {}
    for official, ours in modules.items():
        for kind in ("weight", "bias"):
            if f"{ours}.{kind}" in state:
                names[f"{official}.{kind}"] = f"{ours}.{kind}"
    return names
