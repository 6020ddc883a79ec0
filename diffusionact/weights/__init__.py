"""Model folders, the weights folder, and what is known of every file that a user may bring."""

from .catalogue import CATALOGUE, catalogue_entry
from .folders import ENVIRONMENT_VARIABLE, find_weights, make_weights_folder, use_folders, weights_folder
from .model_folder import (
    BUNDLED_MODELS,
    DEMO_FOLDER,
    DEMO_NAME,
    HUB_PATTERNS,
    INDEX_NAME,
    INDEX_SECTION,
    PHOTO_NAME,
    check_weights,
    model_folder_writer,
    read_index,
    resolve_model_folder,
    some_of,
)
from .official_file import (
    DIRECTIONS_FOLDER_NAME,
    EMOCA_FOLDER_NAME,
    MODEL_FOLDER_NAME,
    PERCEPTION_FOLDER_NAME,
    OfficialFile,
)

__all__ = [
    "BUNDLED_MODELS",
    "CATALOGUE",
    "DEMO_FOLDER",
    "DEMO_NAME",
    "DIRECTIONS_FOLDER_NAME",
    "ENVIRONMENT_VARIABLE",
    "HUB_PATTERNS",
    "INDEX_NAME",
    "INDEX_SECTION",
    "MODEL_FOLDER_NAME",
    "PERCEPTION_FOLDER_NAME",
    "PHOTO_NAME",
    "EMOCA_FOLDER_NAME",
    "OfficialFile",
    "catalogue_entry",
    "check_weights",
    "find_weights",
    "make_weights_folder",
    "model_folder_writer",
    "read_index",
    "resolve_model_folder",
    "some_of",
    "use_folders",
    "weights_folder",
]
