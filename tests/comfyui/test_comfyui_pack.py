"""The pack as ComfyUI sees it: loading, the permanent names of nodes and sockets, what a node says about itself."""

import json
from pathlib import Path

import pytest
from comfyui_process import PACK_FOLDER, ROOT, ServerProcess

# Ids, input names and output names are permanent: saved workflows refer to them. Add, never rename or reorder.
INVENTORY = Path(__file__).with_name("node_inventory.json")
NUMBERS = ("INT", "FLOAT")


def nodes_of_the_pack(client) -> dict[str, dict]:
    return {name: node for name, node in client.object_info().items() if PACK_FOLDER in node["python_module"]}


def declared_inputs(node: dict) -> dict[str, list]:
    return {**node["input"].get("required", {}), **node["input"].get("optional", {})}


def test_the_pack_loads_without_an_error_or_a_warning(comfyui_server):
    log = comfyui_server.server.log()
    start = log[: log.index("Starting server")]
    assert PACK_FOLDER in start
    assert [line for line in start.splitlines() if "IMPORT FAILED" in line or "Cannot import" in line] == []
    assert [line for line in start.splitlines() if "DiffusionAct" in line and "seconds:" not in line] == []


def test_ids_and_sockets_are_the_permanent_ones(comfyui_server):
    found = {
        name: {
            "inputs": {key: kind[0] for key, kind in declared_inputs(node).items()},
            "outputs": [list(pair) for pair in zip(node["output_name"], node["output"], strict=True)],
        }
        for name, node in nodes_of_the_pack(comfyui_server).items()
    }
    assert found == json.loads(INVENTORY.read_text(encoding="utf-8"))


def test_every_node_and_input_explains_itself(comfyui_server):
    for name, node in nodes_of_the_pack(comfyui_server).items():
        assert name.startswith("DiffusionAct_") and node["category"] == "DiffusionAct"
        assert node["description"] and node["search_aliases"], name
        assert all(node["output_tooltips"]), name
        for key, (kind, options) in declared_inputs(node).items():
            assert options.get("tooltip"), (name, key)
            if kind in NUMBERS:
                assert {"default", "min", "max", "step"} <= options.keys(), (name, key)


def test_the_template_browser_lists_our_workflows(comfyui_server):
    shipped = sorted(file.stem for file in (ROOT / "workflows").glob("*.json"))
    assert sorted(comfyui_server.get("/api/workflow_templates").get(PACK_FOLDER, [])) == shipped


def test_lowvram_starts_and_loads_the_pack(comfyui_installation, comfyui_base, tmp_path):
    if not comfyui_installation.has_gpu():
        pytest.skip("no GPU: ComfyUI itself starts without --cpu only where there is one")
    server = ServerProcess(comfyui_installation, tmp_path, device=("--lowvram", "--disable-dynamic-vram"))
    server.stop()
    assert "IMPORT FAILED" not in server.log()
