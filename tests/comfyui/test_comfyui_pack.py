"""The pack as ComfyUI sees it: loading from folders of any name, templates, help pages."""

import urllib.request

import pytest
from comfyui_client import ComfyUIClient
from comfyui_process import PACK_FOLDER, ROOT, ServerProcess


def nodes_of_the_pack(client) -> dict[str, dict]:
    return {name: node for name, node in client.object_info().items() if name.startswith("DiffusionAct_")}


def test_the_pack_loads_without_an_error_or_a_warning(comfyui_server):
    log = comfyui_server.server.log()
    start = log[: log.index("Starting server")]
    assert PACK_FOLDER in start
    assert [line for line in start.splitlines() if "IMPORT FAILED" in line or "Cannot import" in line] == []
    assert [line for line in start.splitlines() if "DiffusionAct" in line and "seconds:" not in line] == []


def test_the_template_browser_lists_our_workflows(comfyui_server):
    shipped = sorted(file.stem for file in (ROOT / "workflows").glob("*.json"))
    assert sorted(comfyui_server.get("/api/workflow_templates").get(PACK_FOLDER, [])) == shipped


def test_every_node_has_a_help_page_in_english_and_chinese(comfyui_server):
    root = f"{comfyui_server.server.url}/extensions/{PACK_FOLDER}/docs"
    for name in nodes_of_the_pack(comfyui_server):
        for page in (f"{root}/{name}.md", f"{root}/{name}/zh.md"):
            with urllib.request.urlopen(page) as answer:
                assert len(answer.read()) > 200, page


def test_the_pack_loads_from_a_folder_with_a_space(comfyui_server, comfyui_installation, tmp_path):
    # ComfyUI serves no templates or help pages from such a folder, of no pack; the nodes work.
    server = ServerProcess(comfyui_installation, tmp_path, pack_folder="DiffusionAct for ComfyUI 1.0")
    try:
        client = ComfyUIClient(server)
        assert nodes_of_the_pack(client).keys() == nodes_of_the_pack(comfyui_server).keys()
        client.close()
    finally:
        server.stop()


def test_lowvram_starts_and_loads_the_pack(comfyui_installation, tmp_path):
    if not comfyui_installation.has_gpu():
        pytest.skip("no GPU: ComfyUI itself starts without --cpu only where there is one")
    server = ServerProcess(comfyui_installation, tmp_path, device=("--lowvram", "--disable-dynamic-vram"))
    server.stop()
    assert "IMPORT FAILED" not in server.log()
