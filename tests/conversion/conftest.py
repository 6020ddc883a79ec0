"""The official model with weights by rule: written in the authors' layout, converted and loaded once a session."""

import shutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from official_rule import write_official_checkpoint

from diffusionact.conversion.official import convert_official
from diffusionact.generation import ModelComponents, load_components


@pytest.fixture(scope="session")
def official_components(golden_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelComponents]:
    """Checkpoint (1.5 GB) -> `convert_official` -> `load_components`, with the files removed afterwards."""
    folder = tmp_path_factory.mktemp("official")
    try:
        write_official_checkpoint(folder / "diffusionact_model.pt", golden_dir / "manifests.json")
        convert_official(folder / "diffusionact_model.pt", folder / "model", progress=False)
        components = load_components(folder / "model")
    finally:
        shutil.rmtree(folder)
    for network in (components.unet, components.inversion_unet):
        network.requires_grad_(False)
    yield components


@pytest.fixture
def foreign_class(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], type]:
    """A class of a package that is not installed, for as long as the test runs."""

    def make(module: str, name: str) -> type:
        kind = type(name, (), {"__module__": module})
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            package = ".".join(parts[:end])
            monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
        setattr(sys.modules[module], name, kind)
        return kind

    return make
