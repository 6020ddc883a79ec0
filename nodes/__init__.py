"""The nodes of the pack, in the order in which they are wired."""

from comfy_api.latest import ComfyExtension, io

from . import clip, cropping, detail, group, model, motion, pose, preview, render, saved, source, video
from .comfy.previewing import register_route
from .comfy.sockets import with_checked_sockets
from .comfy.weights_folder import register_folder

NODES: list[type[io.ComfyNode]] = [
    with_checked_sockets(node)
    for module in (model, source, pose, motion, preview, render, saved, video, clip, group, detail, cropping)
    for node in module.NODES
]


class DiffusionActExtension(ComfyExtension):
    """What ComfyUI asks for when it starts."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes; the model folder is registered first, because their inputs list what it holds, then the route."""
        register_folder()
        register_route()
        return NODES
