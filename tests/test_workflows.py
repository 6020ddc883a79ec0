"""The files of `workflows/`, without a ComfyUI: what they refer to is there. `tests/comfyui` runs them."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
INVENTORY = json.loads((ROOT / "tests" / "nodes" / "inventory.json").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
SOURCES = ROOT / "tests" / "comfyui" / "workflow_sources"
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
NOTE = "MarkdownNote"
NEEDS_UPLOADS = {"LoadImage", "LoadVideo", "LoadAudio", "LoadImageMask"}
MAX_THUMBNAIL = 60_000  # bytes
TOPICS = {
    "photo",
    "still_image",
    "video",
    "expression_editing",
    "paste_back_upscale",
    "batch_of_sources",
    "long_video",
    "motion",
    "source_video",
    "group",
    "cut_out",
}

with_each_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)


def graph_of(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def our_nodes(file: Path) -> list[dict]:
    return [node for node in graph_of(file)["nodes"] if node["type"].startswith("DiffusionAct_")]


def test_every_promised_workflow_is_there():
    assert {file.stem for file in WORKFLOWS} == TOPICS
    assert {file.stem for file in SOURCES.glob("*.json")} == TOPICS


@with_each_workflow
def test_our_nodes_have_the_sockets_and_widgets_of_the_inventory(file):
    assert our_nodes(file)
    for node in our_nodes(file):
        known = INVENTORY[node["type"]]
        inputs = known["required"] | known["optional"]
        assert {entry["name"] for entry in node["inputs"]} == inputs.keys()
        assert [[entry["name"], entry["type"]] for entry in node["outputs"]] == known["outputs"]
        widgets = [name for name, kind in inputs.items() if kind in WIDGETS]
        assert len(node.get("widgets_values", [])) == len(widgets), node["type"]


@with_each_workflow
def test_links_join_outputs_and_inputs_that_are_there(file):
    graph = graph_of(file)
    nodes = {node["id"]: node for node in graph["nodes"]}
    for link, origin, output, target, entry, _ in graph["links"]:
        assert link in nodes[origin]["outputs"][output]["links"]
        assert nodes[target]["inputs"][entry]["link"] == link


@with_each_workflow
def test_it_runs_without_an_upload(file):
    types = {node["type"] for node in graph_of(file)["nodes"]}
    assert not types & NEEDS_UPLOADS
    assert "DiffusionAct_DemoMedia" in types


@with_each_workflow
def test_a_note_explains_it_and_every_other_node_stands_in_a_frame(file):
    graph = graph_of(file)
    notes = [node for node in graph["nodes"] if node["type"] == NOTE]
    assert len(notes) == 1
    for node in graph["nodes"]:
        if node["type"] == NOTE:
            continue
        (x, y), (width, height) = node["pos"], node["size"]
        assert any(
            left <= x and top <= y and x + width <= left + wide and y + height <= top + high
            for left, top, wide, high in (group["bounding"] for group in graph["groups"])
        ), node["type"]


@with_each_workflow
def test_the_note_names_models_folder_and_own_files(file):
    text = next(node["widgets_values"][0] for node in graph_of(file)["nodes"] if node["type"] == NOTE)
    assert "models/diffusionact" in text
    assert re.search(r"\*\*Your own [a-z]+:\*\*", text)


@with_each_workflow
def test_it_has_a_small_thumbnail(file):
    image = file.with_suffix(".jpg")
    assert image.stat().st_size < MAX_THUMBNAIL
    with Image.open(image) as thumbnail:
        assert thumbnail.width / thumbnail.height in (1, 1.5)
        low, high = thumbnail.convert("L").getextrema()
    assert high - low > 100
