"""Fixtures shared by every room of the tests."""

from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"

# Tiny networks on shared cores: one OpenMP thread can be ten times faster than two.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of reference data beside the checkout; tests that need it are skipped by name without it."""
    if not SHARED.is_dir():
        pytest.skip("reference data folder ../shared is absent")
    return SHARED


@pytest.fixture(scope="session")
def golden_dir(shared_dir: Path) -> Path:
    """Outputs of the official code for weights filled by rule."""
    folder = shared_dir / "golden"
    if not folder.is_dir():
        pytest.skip("reference outputs ../shared/golden are absent")
    return folder
