"""A UNet whose blocks are compiled by torch.compile.

Blocks are compiled one by one (regionally): a failure and the progress then belong to a block. A call has a fixed
number of rows, since each other number would be compiled anew.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from diffusers.models.unets.unet_2d import UNet2DOutput
from torch import Tensor, nn

from ..models import UNet
from .sampling import StepCallback

MAX_VARIANTS = 256  # of one block's code; torch stops compiling it at 8, and the official UNet has 17 blocks of a kind


class CompiledUNet(nn.Module):
    """A UNet whose blocks are compiled, beside the one that it shares its weights with, which stays as it is.

    Args:
        unet: on its device, in its dtype; compiled at once, as it will be called: without gradients.
        batch: rows of a call.
        on_block: called after every block with (done, total).
    """

    def __init__(self, unet: UNet, batch: int, on_block: StepCallback | None = None):
        super().__init__()
        shared = {id(tensor): tensor for tensor in (*unet.parameters(), *unet.buffers())}
        self.unet, self.batch = copy.deepcopy(unet, shared), batch
        self._compile(on_block)

    def forward(self, sample: Tensor, timestep: Tensor, **conditioning: Tensor) -> UNet2DOutput:
        """See `UNet`; one timestep for all rows."""
        starts = range(0, len(sample), self.batch)
        parts = [self._rows(slice(start, start + self.batch), sample, timestep, conditioning) for start in starts]
        return UNet2DOutput(sample=torch.cat(parts))

    def _rows(self, rows: slice, sample: Tensor, timestep: Tensor, conditioning: Mapping[str, Tensor]) -> Tensor:
        count = len(sample[rows])

        def padded(tensor: Tensor) -> Tensor:
            return torch.cat([tensor[rows], tensor[-1:].expand(self.batch - count, *tensor.shape[1:])])

        inputs = {name: padded(tensor) for name, tensor in conditioning.items()}
        return self.unet(padded(sample), timestep, **inputs).sample[:count]

    @torch.no_grad()
    def _compile(self, on_block: StepCallback | None) -> None:
        blocks = [*self.unet.down_blocks, self.unet.middle_block, *self.unet.up_blocks]
        inputs = self._inputs(blocks)
        with torch._dynamo.config.patch(cache_size_limit=MAX_VARIANTS):
            for done, block in enumerate(blocks, start=1):
                block.compile(dynamic=False)
                block(*inputs[block])
                if on_block is not None:
                    on_block(done, len(blocks))

    def _inputs(self, blocks: list[nn.Module]) -> dict[nn.Module, tuple[Tensor, ...]]:
        """What each block is given in a call."""
        inputs: dict[nn.Module, tuple[Tensor, ...]] = {}
        hooks = [block.register_forward_pre_hook(inputs.__setitem__) for block in blocks]
        config, like = self.unet.config, next(self.unet.parameters())
        sample = like.new_zeros(self.batch, config.in_channels, config.sample_size, config.sample_size)
        timestep = torch.tensor(0, device=like.device)
        self.unet(
            sample.to(memory_format=torch.channels_last), timestep, like.new_zeros(self.batch, config.semantic_dim)
        )
        for hook in hooks:
            hook.remove()
        return inputs
