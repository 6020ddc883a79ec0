"""Node modules that need no ComfyUI, imported as parts of a pack of a strange name, without the pack's entry point."""

import importlib
import sys
import types
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
PACK = "a pack-Of any name"


@pytest.fixture(scope="session")
def node_module():
    """Import a module of `nodes/` by its name there, such as "comfy.values"."""
    for name, folder in ((PACK, ROOT), (f"{PACK}.nodes", ROOT / "nodes")):
        module = types.ModuleType(name)
        module.__path__ = [str(folder)]
        sys.modules[name] = module
    yield lambda name: importlib.import_module(f"{PACK}.nodes.{name}")
    for name in [name for name in sys.modules if name.split(".")[0] == PACK]:
        del sys.modules[name]


@pytest.fixture
def comfy_module(node_module, monkeypatch):
    """Import a module of `nodes/comfy` where ComfyUI itself is a name only; its own tests have a real one."""
    comfy, management, latest = MagicMock(), MagicMock(), MagicMock()
    comfy.model_management = management
    management.get_torch_device = lambda: torch.device("cpu")
    for name, module in {
        "comfy": comfy,
        "comfy.model_management": management,
        "comfy.utils": comfy.utils,
        "comfy_api": MagicMock(latest=latest),
        "comfy_api.latest": latest,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    return lambda name: node_module(f"comfy.{name}")
