"""The model under ComfyUI's memory management: loaded when a node runs, unloaded when ComfyUI needs the room."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import torch

from ...diffusionact import DiffusionActPipeline
from ...diffusionact.face.readers.reader import FaceReader
from ...diffusionact.generation import ModelComponents

# Memory of a UNet call beyond its weights, as a multiple of the first level's float32 activations. Measured on a CPU:
# 11 to 16 for the demo model and the official architecture.
ACTIVATION_LEVELS = 20
CASTING = {
    kind: getattr(comfy.ops.disable_weight_init, kind.__name__)
    for kind in (torch.nn.Linear, torch.nn.Conv2d, torch.nn.GroupNorm)
}


class ManagedPipeline(DiffusionActPipeline):
    """A pipeline whose networks may lie elsewhere than they run: ComfyUI streams the weights it did not load."""

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return comfy.model_management.get_torch_device()

    def with_faces(self, faces: FaceReader) -> ManagedPipeline:
        """The same networks with another tracker, which stays where it is, as this pipeline stays as it is."""
        other = copy.copy(self)
        other.faces = faces
        return other


@dataclass(frozen=True)
class LoadedModel:
    """What the MODEL socket carries.

    Attributes:
        pipeline: the networks.
        patcher: ComfyUI's handle on them.
    """

    pipeline: ManagedPipeline
    patcher: comfy.model_patcher.ModelPatcher

    def on_device(self, batch_size: int) -> ManagedPipeline:
        """The pipeline, with its weights and the memory for batches of `batch_size` images at hand."""
        pixels = batch_size * self.pipeline.sample_size**2
        channels = self.pipeline.unet.config.block_out_channels[0]
        patch = self.pipeline.unet.config.patch_size
        memory = ACTIVATION_LEVELS * channels * pixels / patch**2 * 4
        comfy.model_management.load_models_gpu([self.patcher], memory_required=memory)
        return self.pipeline

    def check(self, fingerprint: str, what: str) -> None:
        """Raise ValueError unless `what` was made with this model."""
        if fingerprint != self.pipeline.fingerprint:
            raise ValueError(
                f"Expected {what} made with this model ({self.pipeline.fingerprint}), received one made with another "
                f"({fingerprint}). Connect the same Load DiffusionAct to every node, or encode the source again."
            )


def manage(components: ModelComponents, dtype: torch.dtype) -> LoadedModel:
    """Put a model that lies on the CPU under ComfyUI's management.

    The networks go in inside a plain module, because ComfyUI sets `device` on what it manages and a diffusers model
    does not let it.
    """
    offload_device = comfy.model_management.unet_offload_device()
    pipeline = ManagedPipeline(components)
    # One UNet may do both; ComfyUI counts the memory of what is listed twice twice.
    unets = {id(unet): unet for unet in (pipeline.unet, pipeline.inversion_unet)}.values()
    for unet in unets:
        torch.nn.Module.to(unet, dtype=dtype, memory_format=torch.channels_last)
    networks = torch.nn.ModuleList([*unets, pipeline.reenactment_encoder])
    for module in networks.modules():
        # The same layers with ComfyUI's way of fetching a weight that was not loaded, so that --lowvram works.
        module.__class__ = CASTING.get(type(module), type(module))
    make_patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    patcher = make_patcher(networks.to(offload_device), comfy.model_management.get_torch_device(), offload_device)
    return LoadedModel(pipeline, patcher)
