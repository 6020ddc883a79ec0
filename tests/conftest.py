"""Fixtures shared by every room of the tests."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

pytest_plugins = ["browser"]

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"

# Tiny networks on shared cores: one OpenMP thread can be ten times faster than two.
torch.set_num_threads(1)


# Rooms whose tests share servers that take long to start: each in one process.
ROOMS_OF_SERVERS = ("comfyui", "app")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones come first, so that no process has one left when the other has none: those rooms, then slow files."""
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.parent.name not in ROOMS_OF_SERVERS, item.path not in slow_files))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Tests of a file stay in one process, and those of a room with servers."""
    from xdist.scheduler import LoadFileScheduling

    class RoomScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = Path(nodeid.partition("::")[0])
            return file.parent.name if file.parent.name in ROOMS_OF_SERVERS else str(file)

    return RoomScheduling(config, log)


@pytest.fixture(autouse=True)
def root_logger_as_before() -> Iterator[None]:
    """Commands set up the log of their process; a handler that outlives its test writes to a stream that is closed."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
    root.setLevel(level)


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


@pytest.fixture(scope="session")
def golden_fd(shared_dir: Path) -> Path:
    """Outputs of the official code of "Finding Directions" for weights filled by rule."""
    folder = shared_dir / "golden_fd"
    if not folder.is_dir():
        pytest.skip("reference outputs ../shared/golden_fd are absent")
    return folder


@pytest.fixture(scope="session")
def portrait() -> torch.Tensor:
    """A real face without a licence question, uint8 (256, 256, 3): NASA's portrait inside scikit-image."""
    data = pytest.importorskip("skimage.data", reason="scikit-image (dev extra) is absent")
    return torch.from_numpy(data.astronaut()[:256, 96:352].copy())


@pytest.fixture
def tiny_components():
    """A complete model with random weights, 32 px, v_prediction; see tests/tiny_model.py."""
    from tiny_model import make_tiny_components

    return make_tiny_components()


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as a folder; do not write into it."""
    from tiny_model import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def two_threads() -> Iterator[None]:
    """Full-size networks are faster on two threads, unlike the tiny ones of the other tests, unless both are taken."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def compare(record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture) -> Callable[..., None]:
    """Compare with a reference array, print and record the measured difference, and hold it against the tolerance."""

    def hold(
        quantity: str, ours: torch.Tensor, golden: np.ndarray, atol: float, mean_atol: float | None = None
    ) -> None:
        assert tuple(ours.shape) == golden.shape
        difference = (ours.double() - torch.from_numpy(golden).double()).abs()
        worst, mean = difference.max().item(), difference.mean().item()
        record_property(quantity, {"worst": worst, "mean": mean, "allowed": atol})
        allowed = f"max {atol:.0e}" + (f", mean {mean_atol:.0e}" if mean_atol else "")
        with capsys.disabled():
            print(f"\n| {quantity} | {worst:.1e} | {mean:.1e} | {allowed} |", end="")
        assert worst <= atol
        assert mean_atol is None or mean <= mean_atol

    return hold
