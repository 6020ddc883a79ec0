"""Node modules that need no ComfyUI, imported as parts of a pack of a strange name, without the pack's entry point."""

import importlib
import sys
import types
from pathlib import Path

import pytest

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
