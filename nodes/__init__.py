"""The nodes of the pack, in the order in which they are wired."""

from comfy_api.latest import ComfyExtension, io

from .comfy.weights_folder import register_folder
from .model import LoadModel
from .pose import EditPose, ExtractPose
from .render import Decode, Reenact
from .saved import LoadPose, LoadSource, SavePose, SaveSource
from .source import DemoMedia, EncodeSource
from .video import PasteBack, ReenactVideo

NODES: list[type[io.ComfyNode]] = [
    LoadModel,
    DemoMedia,
    EncodeSource,
    ExtractPose,
    EditPose,
    Reenact,
    Decode,
    PasteBack,
    SavePose,
    LoadPose,
    SaveSource,
    LoadSource,
    ReenactVideo,
]


class DiffusionActExtension(ComfyExtension):
    """What ComfyUI asks for when it starts."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes; the model folder is registered first, because their inputs list what it holds."""
        register_folder()
        return NODES
