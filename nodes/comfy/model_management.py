"""The model under ComfyUI's memory management: loaded when a node runs, unloaded when ComfyUI needs the room."""

from __future__ import annotations

from dataclasses import dataclass

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import torch

from ...diffusionact import DiffusionActPipeline
from ...diffusionact.data.saved_values import source_fingerprint
from ...diffusionact.generation import Engine
from ...diffusionact.pipelines import StreamHooks
from .conversion import warping_device
from .progress import NodeProgress, check_interrupted

CASTING = {
    kind: getattr(comfy.ops.disable_weight_init, kind.__name__)
    for kind in (torch.nn.Linear, torch.nn.Conv2d, torch.nn.GroupNorm)
}


@dataclass(frozen=True)
class LoadedModel:
    """What the MODEL socket carries.

    Attributes:
        pipeline: the engine, and the open face reader.
        patcher: ComfyUI's handle on the engine's networks; None where it has none.
    """

    pipeline: DiffusionActPipeline
    patcher: comfy.model_patcher.ModelPatcher | None

    def load(self, num_frames: int) -> None:
        """Have the weights, and the memory for rendering so many frames together, at hand."""
        memory = self.pipeline.engine.activation_bytes(num_frames)
        if self.patcher is None:
            comfy.model_management.free_memory(memory, self.pipeline.device)
        else:
            comfy.model_management.load_models_gpu([self.patcher], memory_required=memory)

    def hooks(self, progress: NodeProgress) -> StreamHooks:
        """What the pipeline calls while it makes frames."""
        return StreamHooks(progress.advance_to, check_interrupted, self.load, comfy.model_management.soft_empty_cache)

    def check(self, fingerprint: str, face_model: str, what: str) -> None:
        """Raise ValueError unless `what` was made with this model, in coefficients of the source's face model."""
        expected = source_fingerprint(self.pipeline.engine.fingerprint, face_model)
        if fingerprint != expected:
            raise ValueError(
                f"Expected {what} made with this model ({expected}), received one made with another "
                f"({fingerprint}). Connect the same Load DiffusionAct to every node, or encode the source again."
            )


def manage(engine: Engine, dtype: torch.dtype) -> LoadedModel:
    """Put a model that lies on the CPU under ComfyUI's management; one without networks works where images are warped.

    The networks go in inside a plain module, because ComfyUI sets `device` on what it manages and a diffusers model
    does not let it.
    """
    if not engine.modules:
        # Nothing for ComfyUI to move to its device and back: what little there is lies where images are warped.
        return LoadedModel(DiffusionActPipeline(engine.to(warping_device(), dtype)), None)
    offload_device = comfy.model_management.unet_offload_device()
    pipeline = DiffusionActPipeline(on_comfyuis_device(engine.to(offload_device, dtype)))
    networks = torch.nn.ModuleList(engine.modules)
    for module in networks.modules():
        # The same layers with ComfyUI's way of fetching a weight that was not loaded, so that --lowvram works.
        module.__class__ = CASTING.get(type(module), type(module))
    make_patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return LoadedModel(pipeline, make_patcher(networks, comfy.model_management.get_torch_device(), offload_device))


def on_comfyuis_device(engine: Engine) -> Engine:
    """The engine itself, working on ComfyUI's device wherever its weights lie: those not loaded there are fetched."""
    device = property(lambda self: comfy.model_management.get_torch_device(), lambda self, device: None)
    engine.__class__ = type(type(engine).__name__, (type(engine),), {"device": device})
    return engine
