"""Shards: tar files of frames in the WebDataset layout. Owns the names of their members and of the JSON's keys.

A frame is three members with one key `{identity:06d}_{frame:04d}`: `.png` (the picture), `.labels.png` (0 background,
1 person, 2 face) and `.json` (what is known about it). All frames of an identity lie in one shard.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

INDEX_NAME = "index.json"


@dataclass(frozen=True)
class ShardFrame:
    """One decoded frame.

    Attributes:
        identity: number of the person.
        frame: number within the person.
        image: (H, W, 3) uint8.
        labels: (H, W) uint8, 0 background, 1 person, 2 face.
        landmarks: (68, 2) float32 px.
        pupils: (2, 2) float32 px, the subject's right eye first.
        head_pose: (3,) yaw, pitch, roll in degrees.
        gaze: (2,) pitch, yaw in radians.
        expression: (52,) in [0, 1], in the order of `expression_names`.
    """

    identity: int
    frame: int
    image: np.ndarray
    labels: np.ndarray
    landmarks: np.ndarray
    pupils: np.ndarray
    head_pose: np.ndarray
    gaze: np.ndarray
    expression: np.ndarray


def list_shards(folder: str | Path) -> list[Path]:
    """The shards of a folder in a fixed order.

    Raises:
        FileNotFoundError: if there are none.
    """
    shards = sorted(Path(folder).glob("*.tar"))
    if not shards:
        raise FileNotFoundError(
            f"Expected shards (*.tar) in {str(folder)!r}, received none. Prepare the data first or correct data.folder."
        )
    return shards


def expression_names(folder: str | Path) -> list[str]:
    """Names of the expression's entries, from the folder's `index.json`.

    Raises:
        FileNotFoundError: if there is no index.
    """
    path = Path(folder) / INDEX_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected {INDEX_NAME} beside the shards in {str(folder)!r}, received none. Prepare the data again."
        )
    return json.loads(path.read_text(encoding="utf-8"))["action_names"]


def read_shard(path: Path) -> Iterator[ShardFrame]:
    """Decode the frames of one shard in the order in which they lie there.

    Raises:
        ValueError: if a frame lacks one of its three members.
    """
    with tarfile.open(path) as archive:
        parts: dict[str, dict[str, bytes]] = {}
        for member in archive:
            key, _, extension = member.name.partition(".")
            entry = parts.setdefault(key, {})
            entry[extension] = archive.extractfile(member).read()
            if len(entry) == 3:
                yield decode_frame(path, key, parts.pop(key))
    if parts:
        raise ValueError(
            f"Expected png, labels.png and json for every frame of {path.name}, received only parts of "
            f"{sorted(parts)[:3]}. The shard is damaged: prepare it again."
        )


def decode_frame(path: Path, key: str, entry: dict[str, bytes]) -> ShardFrame:
    """Decode the three members of a frame."""
    try:
        facts = json.loads(entry["json"])
        return ShardFrame(
            identity=int(facts["identity"]),
            frame=int(facts["frame"]),
            image=np.asarray(Image.open(io.BytesIO(entry["png"])).convert("RGB")),
            labels=np.asarray(Image.open(io.BytesIO(entry["labels.png"]))),
            **{
                name: np.asarray(facts[name], dtype=np.float32)
                for name in ("landmarks", "pupils", "head_pose", "gaze", "expression")
            },
        )
    except KeyError as error:
        raise ValueError(
            f"Expected the member or key {error} for frame {key} of {path.name}, received {sorted(entry)}. "
            "Prepare the shard again with this version."
        ) from error
