"""What workflows of users hang on: node ids, inputs, outputs and their types, held to `tests/nodes/inventory.json`."""

import difflib
import json
from pathlib import Path

import pytest

INVENTORY = Path(__file__).resolve().parents[1] / "nodes" / "inventory.json"
PAGES = Path(__file__).resolve().parents[2] / "web" / "docs"
NUMBERS = ("INT", "FLOAT")


@pytest.fixture(scope="module")
def pack(comfyui_server) -> dict:
    """The pack's nodes as the browser gets them."""
    nodes = comfyui_server.object_info()
    return {name: nodes[name] for name in sorted(nodes) if name.startswith("DiffusionAct_")}


def declared_inputs(node: dict) -> dict[str, tuple[str, dict]]:
    """name -> (type, options) of all inputs, required or not."""
    return {
        name: (kind if isinstance(kind, str) else "COMBO", rest[0] if rest else {})
        for group in ("required", "optional")
        for name, (kind, *rest) in node["input"].get(group, {}).items()
    }


def summary(node: dict) -> dict:
    required = node["input"].get("required", {})
    kinds = {name: kind for name, (kind, _) in declared_inputs(node).items()}
    return {
        "required": {name: kinds[name] for name in kinds if name in required},
        "optional": {name: kinds[name] for name in kinds if name not in required},
        "outputs": [list(pair) for pair in zip(node["output_name"], node["output"], strict=True)],
    }


def test_workflows_of_users_keep_loading(pack):
    found = json.dumps({name: summary(node) for name, node in pack.items()}, indent=2) + "\n"
    changes = difflib.unified_diff(INVENTORY.read_text().splitlines(), found.splitlines(), "kept", "now", lineterm="")
    assert found == INVENTORY.read_text(), "\n".join(["Saved workflows break where a line goes:", *changes])


def test_every_input_and_output_is_explained(pack):
    for name, node in pack.items():
        assert node["description"].endswith("."), name
        assert node["search_aliases"], name
        assert node["category"] == "DiffusionAct"
        assert all(node["output_tooltips"]), name
        for field, (_, options) in declared_inputs(node).items():
            assert options.get("tooltip", "").endswith("."), (name, field)


def test_english_help_pages_quote_the_tooltips(pack):
    for name, node in pack.items():
        page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
        for field, (_, options) in declared_inputs(node).items():
            assert f"| `{field}` | {options['tooltip']} |" in page, (name, field)
        for field, tooltip in zip(node["output_name"], node["output_tooltips"], strict=True):
            assert f"| `{field}` | {tooltip} |" in page, (name, field)


def test_every_number_has_a_default_limits_and_a_step(pack):
    for name, node in pack.items():
        for field, (kind, options) in declared_inputs(node).items():
            if kind in NUMBERS:
                assert options["min"] <= options["default"] <= options["max"], (name, field)
                assert options["step"] > 0, (name, field)
