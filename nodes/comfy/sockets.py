"""What arrives at a node's sockets: ComfyUI looks at the types of links, not at values that a workflow has in their
place.
"""

from __future__ import annotations

import functools
from typing import Any

from comfy_api.latest import io

# Types of sockets whose values only other nodes can make; a workflow's JSON has none of them.
MADE_BY_NODES = {
    "DIFFUSIONACT_MODEL", "DIFFUSIONACT_SOURCE", "DIFFUSIONACT_POSE", "DIFFUSIONACT_CODES", "DIFFUSIONACT_CROP",
    "IMAGE", "MASK", "VIDEO", "AUDIO",
}  # fmt: skip
JSON_VALUES = (str, bool, int, float, list, dict)


def with_checked_sockets(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """Let a node reject what is no value of its sockets' types, with a clear error, before it does anything."""
    work = node.execute.__func__

    @functools.wraps(work)
    def execute(cls: type[io.ComfyNode], **inputs: Any) -> io.NodeOutput:
        for socket in (cls.SCHEMA or cls.GET_SCHEMA()).inputs:
            check_socket(socket.id, socket.get_io_type(), inputs.get(socket.id))
        return work(cls, **inputs)

    node.execute = classmethod(execute)
    return node


def check_socket(name: str, socket_type: str, value: Any) -> None:
    """Look at one value.

    Args:
        name: of the input.
        socket_type: ComfyUI's name of its type, or several with commas.
        value: None where nothing is connected.

    Raises:
        ValueError: if it is a value from the workflow itself, where only a link can be.
    """
    if not MADE_BY_NODES.intersection(socket_type.split(",")) or not isinstance(value, JSON_VALUES):
        return
    if socket_type == "AUDIO" and isinstance(value, dict) and hasattr(value.get("waveform"), "shape"):
        return
    raise ValueError(
        f"Expected {socket_type} from another node at the input {name}, received {str(value)[:80]!r} from the "
        "workflow. Connect an output of that type."
    )
