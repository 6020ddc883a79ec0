"""The models that an evaluation compares: their names, one at a time in memory, and what tells them apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..evaluation import Abilities, ModelEntry
from ..evaluation.plan import BASELINES
from ..generation import Engine, Sampling, load_engine, preferred_dtype


class LoadedModels:
    """The models of an evaluation, one in memory at a time.

    Args:
        paths: name -> what `load_engine` takes.
        device: where they run.
        dtype: of the networks that like half precision; "auto" is what the engine prefers there.
    """

    def __init__(self, paths: Mapping[str, str], device: torch.device, dtype: str):
        self.paths = dict(paths)
        self._device = device
        self._dtype = None if dtype == "auto" else getattr(torch, dtype)
        self._held: tuple[str, Engine] | None = None
        self._abilities: dict[str, Abilities] = {}

    def load(self, name: str) -> Engine:
        """A model of `paths`; the one before is released."""
        if self._held is None or self._held[0] != name:
            self._held = None
            engine = load_engine(self.paths[name])
            engine.to(self._device, self._dtype or preferred_dtype(engine, self._device))
            self._held, self._abilities[name] = (name, engine), Abilities.of(engine)
        return self._held[1]

    def entry(self, name: str) -> ModelEntry:
        """What a `Runner` takes; the model is loaded when it is needed."""
        if name not in self._abilities:
            self.load(name)
        return ModelEntry(lambda: self.load(name), self._abilities[name])

    def facts(self, name: str) -> dict[str, Any]:
        """What the figures of a model depend on."""
        engine = self.load(name)
        return {
            "weights": weights_fingerprint(*engine.modules) if engine.modules else engine.fingerprint,
            "dtype": str(narrowest_dtype(engine)).removeprefix("torch."),
            "size": engine.sample_size,
            "own_steps": engine.steps_per_frame(Sampling()),
            "own_inversion_steps": engine.encode_steps(),
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


def narrowest_dtype(engine: Engine) -> torch.dtype:
    """Of all weights of an engine: half precision where some of its networks have it; float32 without weights."""
    dtypes = {parameter.dtype for module in engine.modules for parameter in module.parameters()}
    return min(dtypes, key=lambda dtype: dtype.itemsize, default=torch.float32)


def weights_fingerprint(*networks: nn.Module) -> str:
    """A short hash of all weights."""
    digest = hashlib.sha256()
    for network in networks:
        for name, tensor in network.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
