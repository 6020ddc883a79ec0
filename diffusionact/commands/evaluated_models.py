"""The models that an evaluation compares: their names, one at a time in memory, and what tells them apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..evaluation.plan import BASELINES
from ..pipelines import DiffusionActPipeline


class LoadedModels:
    """The models of an evaluation, one in memory at a time.

    Args:
        paths: name -> what `DiffusionActPipeline.from_pretrained` takes.
        device: where they run.
        dtype: of the UNets; "auto" is what the device is fast with.
    """

    def __init__(self, paths: Mapping[str, str], device: torch.device, dtype: str):
        self.paths = dict(paths)
        self._device = device
        self._dtype = None if dtype == "auto" else getattr(torch, dtype)
        self._held: tuple[str, DiffusionActPipeline] | None = None

    def load(self, name: str) -> DiffusionActPipeline:
        """A model of `paths`; the one before is released."""
        if self._held is None or self._held[0] != name:
            self._held = None
            self._held = (name, DiffusionActPipeline.from_pretrained(self.paths[name], self._dtype, self._device))
        return self._held[1]

    def loader(self, name: str) -> Callable[[], DiffusionActPipeline]:
        """What loads a model when it is called."""
        return lambda: self.load(name)

    def facts(self, name: str) -> dict[str, Any]:
        """What the figures of a model depend on."""
        pipeline = self.load(name)
        networks = (
            pipeline.unet,
            pipeline.inversion_unet,
            pipeline.reenactment_encoder,
            pipeline.semantic_encoder,
        )
        return {
            "weights": weights_fingerprint(*networks),
            "dtype": str(pipeline.unet.dtype).removeprefix("torch."),
            "size": pipeline.sample_size,
            "own_steps": pipeline.config.num_inference_steps,
            "own_inversion_steps": pipeline.config.num_inversion_steps,
        }


def read_models(words: Sequence[str]) -> dict[str, str]:
    """NAME=PATH, or PATH alone, whose last part becomes the name.

    Raises:
        ValueError: if a name comes twice, is that of a baseline, or holds a colon.
    """
    models: dict[str, str] = {}
    for word in words:
        name, separator, path = word.partition("=")
        if not separator:
            name, path = Path(word).name, word
        if not name or not path or ":" in name or name in models or name in BASELINES:
            raise ValueError(
                f"Expected models as NAME=PATH with names of their own without a colon, received {word!r}. "
                "Give each model another name, such as v0=demo v1=runs/finetune/model."
            )
        models[name] = path
    return models


def weights_fingerprint(*networks: nn.Module) -> str:
    """A short hash of all weights."""
    digest = hashlib.sha256()
    for network in networks:
        for name, tensor in network.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
