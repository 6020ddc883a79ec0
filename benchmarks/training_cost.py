"""What a training step of the official 256 px model costs: counted on networks without weights, nothing is computed.

    python benchmarks/training_cost.py --output benchmarks/results/training_cost.json

Memory: weights, gradients, both moments of AdamW and the average, and what the autograd graph keeps for one sample, all
in float32. Operations: additions and multiplications of the forward and backward passes of one sample, as PyTorch's
own counter sees them. Not counted: the networks behind the objective, temporary buffers of the kernels.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from diffusionact.models import ReenactmentEncoder, SemanticEncoder, UNet  # noqa: E402

SIZE, CODE = 256, 512
TRAINING_STEPS, INVERSION_STEPS = 8, 50
BYTES = 4
STATE_A_TRAINED_WEIGHT = 5 * BYTES  # weight, gradient, two moments, average


def main() -> None:
    """Print a row a stage and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with torch.device("meta"):
        unet, semantic, encoder = UNet(), SemanticEncoder(), ReenactmentEncoder()
        rows = [
            stage_0(unet, semantic),
            stage_1(encoder, unet, semantic),
            stage_with_sampler("train_encoder", encoder, unet, semantic, trains_decoder=False),
            stage_with_sampler("finetune_decoder", encoder, unet, semantic, trains_decoder=True),
        ]
    names = list(rows[0])
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(value if isinstance(value, str) else f"{value:.3g}" for value in row.values()) + " |")
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")


def image() -> Tensor:
    """One image without content."""
    return torch.empty(1, 3, SIZE, SIZE)


def stage_0(unet: UNet, semantic: SemanticEncoder) -> dict:
    """UNet and semantic encoder, one noise level."""
    train(unet, semantic)
    graph, operations = cost(lambda: unet(image(), 0, semantic(image())).sample)
    return row("pretrain_diffae", [unet, semantic], [], graph, operations)


def stage_1(encoder: ReenactmentEncoder, unet: UNet, semantic: SemanticEncoder) -> dict:
    """The reenactment encoder alone; codes of the targets are made once."""
    train(encoder)
    graph, operations = cost(lambda: encoder(image(), image()))
    return row("pretrain_encoder", [encoder], [unet, semantic], graph, operations)


def stage_with_sampler(
    name: str, encoder: ReenactmentEncoder, unet: UNet, semantic: SemanticEncoder, trains_decoder: bool
) -> dict:
    """Inversion without gradient, then the sampler; each of its steps is computed again on the way back."""
    train(encoder, *([unet] if trains_decoder else []))
    code_graph, code_operations = cost(lambda: encoder(image(), image()))
    code = torch.empty(1, CODE, requires_grad=True)
    call_graph, call_operations = cost(lambda: unet(image().requires_grad_(), 0, code).sample)
    with torch.no_grad(), FlopCounterMode(display=False) as forward:
        unet(image(), 0, code)
    with torch.no_grad(), FlopCounterMode(display=False) as code_forward:
        encoder(image(), image())
    inversion = INVERSION_STEPS * forward.get_total_flops() + code_forward.get_total_flops()
    again = forward.get_total_flops()  # gradient checkpointing
    operations = inversion + code_operations + TRAINING_STEPS * (call_operations + again)
    kept = code_graph + call_graph + TRAINING_STEPS * image().numel() * BYTES
    trained = [encoder, unet] if trains_decoder else [encoder]
    fixed = [unet, semantic]  # of stage 3: the UNet of before, for the inversion
    plain = code_graph + TRAINING_STEPS * call_graph
    return row(name, trained, fixed, kept, operations, plain)


def train(*modules: nn.Module) -> None:
    """Set gradients for these networks and for no other."""
    for module in modules:
        module.requires_grad_(True)


def cost(forward: Callable[[], Tensor]) -> tuple[int, int]:
    """Bytes that the graph of one forward pass keeps beside weights, and operations of forward and backward pass."""
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter) and not isinstance(tensor._base, nn.Parameter):
            kept[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with FlopCounterMode(display=False) as counter, saved_tensors_hooks(keep, lambda tensor: tensor):
        output = forward()
        size = sum(tensor.numel() * tensor.element_size() for tensor in kept.values())
        output.sum().backward()
    return size, counter.get_total_flops()


def row(
    name: str, trained: list[nn.Module], fixed: list[nn.Module], graph: int, operations: int, plain: int | None = None
) -> dict:
    """One stage's figures, in GB and 10^12 operations."""
    weights = sum(weight.numel() for module in trained for weight in module.parameters())
    others = sum(weight.numel() for module in fixed for weight in module.parameters())
    for module in (*trained, *fixed):
        module.requires_grad_(False)
    return {
        "stage": name,
        "trained, million weights": weights / 1e6,
        "state, GB": (weights * STATE_A_TRAINED_WEIGHT + others * BYTES) / 1e9,
        "graph of a sample, GB": graph / 1e9,
        "the same without checkpointing, GB": (plain or graph) / 1e9,
        "operations of a sample, 10^12": operations / 1e12,
    }


if __name__ == "__main__":
    main()
