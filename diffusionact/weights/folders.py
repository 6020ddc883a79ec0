"""The weights folder: where a user's models and tracker files lie, and where new ones are put."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ENVIRONMENT_VARIABLE = "DIFFUSIONACT_WEIGHTS"
APPLICATION = "diffusionact"

# Folders of the program that this library runs in; see `use_folders`.
_host_folders: list[Path] = []


def use_folders(*folders: str | Path) -> None:
    """Let a host program say where its models lie, such as ComfyUI's models/diffusionact and its extra model paths.

    The environment variable DIFFUSIONACT_WEIGHTS still wins.

    Args:
        folders: searched in this order; the first takes new files. None at all goes back to the cache folder.
    """
    _host_folders[:] = [Path(folder) for folder in folders]


def weights_folder() -> Path:
    """The folder that takes new files; it need not exist yet.

    DIFFUSIONACT_WEIGHTS, else the first folder of `use_folders`, else `diffusionact` in the user's cache.
    """
    return _search_path()[0]


def make_weights_folder(folder: Path) -> None:
    """Make a folder for weights, with its parents, and see that it can be written.

    Raises:
        OSError: if it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_writable, reason = os.access(folder, os.W_OK), "no permission"
    except OSError as error:
        is_writable, reason = False, error.strerror
    if not is_writable:
        raise OSError(
            f"Expected a folder for weights that can be written, received {folder} ({reason}). Choose another one; "
            f"{ENVIRONMENT_VARIABLE} says where the weights folder is."
        )


def find_weights(*parts: str) -> Path | None:
    """A file or folder of the weights folders, the first that is there; None if there is none.

    Args:
        parts: its path inside a weights folder, such as "emoca", "flame.safetensors".
    """
    candidates = (folder.joinpath(*parts) for folder in _search_path())
    return next((path for path in candidates if path.exists()), None)


def _search_path() -> list[Path]:
    override = os.environ.get(ENVIRONMENT_VARIABLE)
    if override:
        return [Path(override).expanduser()]
    return list(_host_folders) or [user_cache_folder() / APPLICATION]


def user_cache_folder() -> Path:
    """The user's cache: XDG_CACHE_HOME where it is set, else what the operating system is used to."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]).expanduser()
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"])
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
