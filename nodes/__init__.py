"""The nodes of the pack, in the order in which they are wired."""

from comfy_api.latest import ComfyExtension, io

from .decode import Decode
from .encode_source import EncodeSource
from .extract_pose import ExtractPose
from .load import LoadModel
from .reenact import Reenact
from .weights_folder import register_folder

NODES: list[type[io.ComfyNode]] = [LoadModel, EncodeSource, ExtractPose, Reenact, Decode]


class DiffusionActExtension(ComfyExtension):
    """What ComfyUI asks for when it starts."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes; the model folder is registered first, because their inputs list what it holds."""
        register_folder()
        return NODES
