"""ComfyUI's two kinds of workflow files: from what the page saves (UI format) to what the server runs (API format).

Knows what the shipped workflows use: nodes, links, widgets, muted and bypassed nodes and notes; no subgraphs, no
primitive or reroute nodes. `test_comfyui_workflows.py` holds the result against the page's own conversion.
"""

from typing import Any

from graphs import defaults_of

RUNS, MUTED, BYPASSED = 0, 2, 4  # a node's `mode`
SEEDS = ("seed", "noise_seed")  # the page adds a control to these names without being told


def widget_values(node: dict[str, Any], known: dict[str, list]) -> dict[str, Any]:
    """A node's widget values by name. `known` has the declaration of each input.

    The file lists values only, in the order of the widgets; the control behind a seed and the numbers of a box have
    values but no entries.

    Raises:
        ValueError: if there are not as many values as widgets.
    """
    values, found = iter(node.get("widgets_values") or []), {}
    try:
        for name in [entry["widget"]["name"] for entry in node.get("inputs", []) if "widget" in entry]:
            found[name] = next(values)
            kind, options = (*known.get(name, ("",)), {})[:2]
            if options.get("control_after_generate", kind == "INT" and name in SEEDS):
                next(values)
            if kind == "BOUNDING_BOX":  # its numbers again, one by one
                for _ in found[name]:
                    next(values)
    except StopIteration:
        raise ValueError(f"node {node['id']} ({node['type']}) has too few widget values") from None
    if left := list(values):
        raise ValueError(f"node {node['id']} ({node['type']}) has more values than widgets: {left}")
    return {name: value for name, value in found.items() if name.split(".")[0] in known}


def source_of(link: int, links: dict[int, list], nodes: dict[int, dict]) -> list | None:
    """[node id, output] a link brings, through bypassed nodes; None from muted ones."""
    _, origin, slot, _, _, kind = links[link]
    node = nodes[origin]
    if node["mode"] == RUNS:
        return [str(origin), slot]
    if node["mode"] == BYPASSED:
        for entry in node["inputs"]:
            if entry["type"] == kind and entry["link"] is not None:
                return source_of(entry["link"], links, nodes)
    return None


def to_api_format(workflow: dict[str, Any], object_info: dict[str, Any]) -> dict[str, Any]:
    """Convert a UI-format workflow; what `object_info` does not know (notes) is left out, as the page does."""
    links = {link[0]: link for link in workflow["links"]}
    nodes = {node["id"]: node for node in workflow["nodes"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["mode"] != RUNS or node["type"] not in object_info:
            continue
        known = object_info[node["type"]]["input"]
        known = {**known.get("required", {}), **known.get("optional", {})}
        # A widget that came after the file was saved has its default.
        inputs = defaults_of(known) | widget_values(node, known)
        for entry in node.get("inputs", []):
            source = source_of(entry["link"], links, nodes) if entry.get("link") is not None else None
            if source is not None:
                inputs[entry["name"]] = source
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt
