"""Fixtures around a real ComfyUI: set up by `make comfyui`, or your own named by COMFYUI_DIR and COMFYUI_PYTHON."""

from collections.abc import Iterator

import pytest
from comfyui_client import ComfyUIClient
from comfyui_process import Installation, ServerProcess, copy_demo_media


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs the real ComfyUI is slow and carries its name."""
    for item in items:
        if "comfyui_installation" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.comfyui)


@pytest.fixture(scope="session")
def comfyui_installation() -> Installation:
    """Where ComfyUI lies; tests that need it are skipped by name without it."""
    installation = Installation.find()
    if installation is None:
        pytest.skip("no ComfyUI: neither .comfyui (run `make comfyui`) nor COMFYUI_DIR is there")
    return installation


@pytest.fixture(scope="session")
def comfyui_base(comfyui_installation, tmp_path_factory: pytest.TempPathFactory):
    """The server's folder of custom nodes, models, inputs and outputs."""
    base = tmp_path_factory.mktemp("comfyui")
    copy_demo_media(base)
    return base


@pytest.fixture(scope="session")
def comfyui_server(comfyui_installation, comfyui_base) -> Iterator[ComfyUIClient]:
    """A client of one real server with our pack in it; all tests of a session share the server."""
    server = ServerProcess(comfyui_installation, comfyui_base)
    client = ComfyUIClient(server)
    yield client
    client.close()
    server.stop()
