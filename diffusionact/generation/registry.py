"""Engines by name: one entry each. A model folder's model_index.json says which engine loads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ..weights.model_folder import DEMO_NAME, INDEX_SECTION, read_index, resolve_model_folder
from .engine import Engine
from .engine_names import DIFFUSION, DIRECTIONS, WARP

# Other packages add engines by an entry point of this group that names an `EngineEntry`, or any object like one.
ENTRY_POINT_GROUP = "diffusionact.engines"


@dataclass(frozen=True)
class EngineEntry:
    """One engine.

    Attributes:
        name: as `"engine"` of a model_index.json says it.
        description: one line for people.
        load: (model folder, content of its model_index.json) -> engine, on the CPU in float32.
    """

    name: str
    description: str
    load: Callable[[Path, Mapping[str, Any]], Engine]


ENGINES: dict[str, EngineEntry] = {}


def register_engine(entry: EngineEntry) -> None:
    """Add an engine, or replace the one of that name."""
    ENGINES[entry.name] = entry


def find_engine(name: str) -> EngineEntry:
    """The entry of an engine, registered here or by an installed package.

    Raises:
        ValueError: if there is none.
    """
    if not isinstance(name, str):
        raise ValueError(
            f"Expected the name of an engine in model_index.json, received {name!r}. Fetch the model again."
        )
    if name not in ENGINES:
        for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
            ENGINES[name] = point.load()
    if name not in ENGINES:
        raise ValueError(
            f"Expected a model of one of the engines {', '.join(sorted(ENGINES))}, received one of {name!r}. Update "
            "this package, or install the one that brings this engine."
        )
    return ENGINES[name]


def load_engine(name_or_path: str | Path = DEMO_NAME, revision: str | None = None) -> Engine:
    """Load a model with the engine that its model_index.json names, on the CPU in float32.

    Args:
        name_or_path: see `weights.resolve_model_folder`.
        revision: of a Hub repository.

    Raises:
        FileNotFoundError: if there is no such model, or a file of it is missing.
        ValueError: if its engine is unknown, or a file is damaged or does not fit.
    """
    folder = resolve_model_folder(name_or_path, revision)
    index = read_index(folder)
    return find_engine(index[INDEX_SECTION].get("engine", DIFFUSION)).load(folder, index)


# What an engine consists of is imported only where it is wanted.
def _load_diffusion(folder: Path, index: Mapping[str, Any]) -> Engine:
    from .diffusion import DiffusionEngine

    return DiffusionEngine.from_folder(folder, index)


def _load_warp(folder: Path, index: Mapping[str, Any]) -> Engine:
    from .warp import WarpEngine

    return WarpEngine.from_folder(folder, index)


def _load_directions(folder: Path, index: Mapping[str, Any]) -> Engine:
    from .directions import DirectionsEngine

    return DirectionsEngine.from_folder(folder, index)


register_engine(EngineEntry(DIFFUSION, "DiffusionAct: a diffusion autoencoder", _load_diffusion))
register_engine(EngineEntry(WARP, "the source photo warped by geometry; no generative network", _load_warp))
register_engine(EngineEntry(DIRECTIONS, "Finding Directions: StyleGAN2, its latent code moved", _load_directions))
