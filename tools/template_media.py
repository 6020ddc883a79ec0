"""Files of the MIT-licensed packages `comfyui-workflow-templates-media-*`, by their names."""

from __future__ import annotations

from pathlib import Path


def find_media(folder: Path, name: str) -> Path:
    """The clip or still of a name below a folder that holds the packages unpacked, at any depth.

    Raises:
        SystemExit: if there is none.
    """
    path = next(iter(sorted(folder.rglob(f"{name}.webp"))), None)
    if path is None:
        raise SystemExit(f"Expected {name}.webp below {folder}, received none. Unpack the packages named above there.")
    return path
