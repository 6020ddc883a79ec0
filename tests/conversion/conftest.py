"""The official model with weights by rule: written in the authors' layout, converted and loaded once a session."""

import shutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from official_rule import write_official_checkpoint
from torch import Tensor

from diffusionact.conversion.official import convert_official
from diffusionact.weights import ModelComponents, load_components


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


@pytest.fixture(scope="module")
def two_threads() -> Iterator[None]:
    """Full-size networks are faster on two threads, unlike the tiny ones of the other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def compare(record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture) -> Callable[..., None]:
    """Compare with a reference array, print and record the measured difference, and hold it against the tolerance."""

    def hold(quantity: str, ours: Tensor, golden: np.ndarray, atol: float, mean_atol: float | None = None) -> None:
        assert tuple(ours.shape) == golden.shape
        difference = (ours.double() - torch.from_numpy(golden).double()).abs()
        worst, mean = difference.max().item(), difference.mean().item()
        record_property(quantity, worst)
        allowed = f"max {atol:.0e}" + (f", mean {mean_atol:.0e}" if mean_atol else "")
        with capsys.disabled():
            print(f"\n| {quantity} | {worst:.1e} | {mean:.1e} | {allowed} |", end="")
        assert worst <= atol
        assert mean_atol is None or mean <= mean_atol

    return hold
