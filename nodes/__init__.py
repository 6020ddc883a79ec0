"""The nodes of the pack, in the order in which they are wired."""

from comfy_api.latest import ComfyExtension, io

from .comfy.weights_folder import register_folder
from .decode import Decode
from .demo_media import DemoMedia
from .edit_pose import EditPose
from .encode_source import EncodeSource
from .extract_pose import ExtractPose
from .model import LoadModel
from .paste_back import PasteBack
from .reenact import Reenact
from .reenact_video import ReenactVideo
from .save_load_pose import LoadPose, SavePose
from .save_load_source import LoadSource, SaveSource

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
