"""API-format workflows for tests: nodes with ComfyUI's defaults for what a test does not set."""

from typing import Any

from comfyui_client import ComfyUIClient

WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3")


class Graph:
    """A workflow under construction. `prompt` is what the server takes."""

    def __init__(self, client: ComfyUIClient) -> None:
        self.object_info = client.object_info()
        self.prompt: dict[str, Any] = {}

    def add(self, name: str, node_type: str, **inputs: Any) -> list:
        """Add a node under an id of the test's choice; returns [id, 0], its first output.

        Widgets that are not given have the value that a fresh node on the page has.
        """
        declared = self.object_info[node_type]["input"]
        widgets = defaults_of({**declared.get("required", {}), **declared.get("optional", {})})
        self.prompt[name] = {"class_type": node_type, "inputs": widgets | inputs}
        return [name, 0]

    def set(self, name: str, **inputs: Any) -> None:
        """Change inputs of a node."""
        self.prompt[name]["inputs"].update(inputs)


def defaults_of(inputs: dict[str, list]) -> dict[str, Any]:
    """What a fresh node has in its widgets; sockets are left out."""
    found = {}
    for name, (kind, *rest) in inputs.items():
        options = rest[0] if rest else {}
        choices = kind if isinstance(kind, list) else options.get("options")
        if options.get("forceInput") or (kind not in WIDGETS and not choices):
            continue
        if "default" in options:
            found[name] = options["default"]
        elif choices:
            # A choice that brings inputs of its own is declared with them, under its key.
            found[name] = choices[0]["key"] if isinstance(choices[0], dict) else choices[0]
    return found


def reenactment(
    client: ComfyUIClient, clip: str, source: str = "source.png", steps: int = 2, model_name: str = "demo"
) -> Graph:
    """The wired pack from files of the input folder to a saved video.

    Node ids: model, image, clip, source, pose, codes, decode, save.
    """
    graph = Graph(client)
    model = graph.add("model", "DiffusionAct_LoadModel", model=model_name)
    image = graph.add("photo", "LoadImage", image=source)
    video = graph.add("clip", "LoadVideo", file=clip)
    encoded = graph.add("source", "DiffusionAct_EncodeSource", model=model, image=image, inversion_steps=5)
    pose = graph.add("pose", "DiffusionAct_ExtractPose", source=encoded, driving=video)
    codes = graph.add("codes", "DiffusionAct_Reenact", model=model, source=encoded, pose=pose)
    decoded = {"model": model, "source": encoded, "codes": codes, "preset": "custom", "steps": steps}
    graph.add("decode", "DiffusionAct_Decode", **decoded)
    graph.add("save", "SaveVideo", video=["decode", 1], filename_prefix="reenacted")
    return graph
