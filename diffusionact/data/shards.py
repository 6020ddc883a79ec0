"""Shards: tar files of frames in the WebDataset layout. Owns the names of their members and of the JSON's keys.

A frame is two or three members with one key, in a row: the image (`.png`, `.jpg` or `.webp`); where they are known,
`.labels.png` (0 background, 1 person, 2 face); and `.json`, what is known about it. The frames of a video lie in one
shard, in order. `index.json` beside the shards says what holds for all of them.
"""

from __future__ import annotations

import glob
import io
import json
import os
import tarfile
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from PIL import Image, ImageDraw

from ..images import IMAGE_ERRORS
from ..types import FaceCoefficients

INDEX_NAME = "index.json"
UNFINISHED = ".tmp"
IMAGE_FORMATS = ("png", "jpg", "webp")
SPLITS = ("train", "validation", "test")
MAX_JSON_BYTES = 1 << 20  # of the facts of a frame, which take 4 kB
# Number of decimals in the JSON of every array.
DECIMALS = {"landmarks": 3, "pupils": 3, "head_pose": 4, "gaze": 5, "expression": 5}
FACE_DECIMALS = 6
SHAPES = {"landmarks": (68, 2), "pupils": (2, 2), "head_pose": (3,), "gaze": (2,)}
CONVENTIONS = {
    "landmarks": "68x2 px, iBUG order, x right, y down, integer k is the centre of pixel k",
    "pupils": "2x2 px, iris centres, the subject's right eye first, same pixels",
    "head_pose": "yaw, pitch, roll in degrees, R = Ry(yaw) Rx(pitch) Rz(roll); + image right, down, counter-clockwise",
    "gaze": "eye-in-head pitch, yaw in radians; + up, + image left",
    "expression": "values of the face model named in expression_names; blendshapes are in [0,1]",
    "labels.png": "0 background, 1 person (hair, neck, clothes), 2 face",
    "coefficients": "of the face model of `reader`: shape, rotation (axis-angle, radians), camera (scale, t_x, t_y)",
    "crop": "2x3, px of the full frame -> px of the image",
    "camera_crop": "2x3, px of the image -> px of the camera's square",
    "split": "train, validation (held out in training) or test (never seen in training)",
}


@dataclass(frozen=True)
class FaceRecord:
    """What a face reader read in a frame.

    Attributes:
        reader: its name, such as "open" or "emoca".
        coefficients: one row, float32 on the CPU; its expression is that of the frame.
        crop: (2, 3) px of the full frame -> px of the image.
        camera_crop: (2, 3) px of the image -> px of the square that the camera is given for.
    """

    reader: str
    coefficients: FaceCoefficients
    crop: np.ndarray
    camera_crop: np.ndarray


@dataclass(frozen=True, kw_only=True)
class FrameFacts:
    """What is known about a frame.

    Attributes:
        identity: name of the person.
        video: name of the video, unique in the data: frames that show one person in one scene. Pairs share it.
        clip: name of the uncut part of the video, unique in the data.
        frame: number within the clip, of the file that it came from.
        split: one of SPLITS.
        landmarks: (68, 2) float32 px.
        pupils: (2, 2) float32 px, the subject's right eye first.
        head_pose: (3,) yaw, pitch, roll in degrees.
        gaze: (2,) pitch, yaw in radians.
        expression: (E,) in the order of `expression_names`; 52 blendshapes in [0, 1] of the open face reader.
        face: coefficients and crops; None for rendered frames.
    """

    identity: str
    video: str
    clip: str
    frame: int
    split: str = "train"
    landmarks: np.ndarray
    pupils: np.ndarray
    head_pose: np.ndarray
    gaze: np.ndarray
    expression: np.ndarray
    face: FaceRecord | None = None

    @property
    def key(self) -> str:
        """Name of the frame's members. WebDataset splits a name at its first point, so a key holds none."""
        return f"{quote(self.clip, safe='').replace('.', '%2E')}_{self.frame:04d}"


@dataclass(frozen=True, kw_only=True)
class ShardFrame(FrameFacts):
    """One decoded frame.

    Attributes:
        image: (H, W, 3) uint8.
        labels: (H, W) uint8, 0 background, 1 person, 2 face; None where they are not known, see `hull_labels`.
    """

    image: np.ndarray
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class StoredFrame:
    """Where a frame lies in its shard.

    Attributes:
        facts: what is known about it.
        image: first byte and number of bytes of the image's file.
        labels: the same of the labels; None where there are none.
    """

    facts: FrameFacts
    image: tuple[int, int]
    labels: tuple[int, int] | None


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


def read_index(folder: str | Path) -> dict[str, Any]:
    """The folder's `index.json`.

    Raises:
        FileNotFoundError: if there is no index.
    """
    path = Path(folder) / INDEX_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected {INDEX_NAME} beside the shards in {str(folder)!r}, received none. Prepare the data again."
        )
    return json.loads(path.read_text(encoding="utf-8"))


def write_index(folder: Path, expression_names: Iterable[str], more: dict[str, Any]) -> None:
    """Write `index.json`: conventions, names of the expression's entries, and `more`."""
    content = {"conventions": CONVENTIONS, "expression_names": list(expression_names), **more}
    temporary = folder / f".{INDEX_NAME}.{os.getpid()}.tmp"
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, folder / INDEX_NAME)


def expression_names(folder: str | Path) -> list[str]:
    """Names of the expression's entries, from the folder's `index.json`.

    Raises:
        FileNotFoundError: if there is no index.
    """
    return read_index(folder)["expression_names"]


def read_shard(path: Path) -> Iterator[ShardFrame]:
    """Decode the frames of one shard in the order in which they lie there.

    Raises:
        ValueError: if a frame lacks its image or its JSON, or the file is damaged.
    """
    with open(path, "rb") as file:
        for stored in scan_shard(path):
            labels = None if stored.labels is None else decode_labels(read_bytes(file, stored.labels))
            yield ShardFrame(**vars(stored.facts), image=decode_image(read_bytes(file, stored.image)), labels=labels)


def scan_shard(path: Path) -> Iterator[StoredFrame]:
    """Where the frames of a shard lie and what is known about them; images are not read.

    Raises:
        ValueError: as `read_shard`.
    """
    try:
        with tarfile.open(path, "r:") as archive:  # compressed ones have no positions, and any length
            for key, members in groupby(archive, lambda member: member.name.partition(".")[0]):
                parts = {member.name.partition(".")[2]: member for member in members}
                yield _stored_frame(path, key, parts, archive)
    except (tarfile.TarError, EOFError, OSError, OverflowError) as error:
        raise ValueError(
            f"Expected a complete tar file, received {path.name} of {path.stat().st_size} bytes ({error}). "
            "The shard is damaged: remove it and prepare it again."
        ) from error


def read_bytes(file: io.BufferedReader, position: tuple[int, int]) -> bytes:
    """The bytes at (first, number) of an open file."""
    file.seek(position[0])
    return file.read(position[1])


def decode_image(content: bytes) -> np.ndarray:
    """(H, W, 3) uint8 of the bytes of an image file.

    Raises:
        ValueError: if it is damaged.
    """
    return np.asarray(_opened(content).convert("RGB"))


def decode_labels(content: bytes) -> np.ndarray:
    """(H, W) uint8 of the bytes of a file of labels.

    Raises:
        ValueError: if it is damaged.
    """
    return np.asarray(_opened(content))


def _opened(content: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP"))
        image.load()
        return image
    except (*IMAGE_ERRORS, Image.DecompressionBombError) as error:
        raise ValueError(
            f"Expected an image in a shard, received {len(content)} bytes that are none ({error}). The shard is "
            "damaged: remove it and prepare it again."
        ) from error


def hull_labels(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Labels (size, size) for frames that have none: the face between jaw line and brows is 2, all else 0.

    Args:
        landmarks: (68, 2) px.
        size: side of the image, pixels.
    """
    outline = landmarks[[*range(17), *range(26, 16, -1)]]  # jaw line from ear to ear, brows back
    image = Image.new("L", (size, size))
    ImageDraw.Draw(image).polygon([tuple(point) for point in outline.tolist()], fill=2)
    return np.asarray(image)


def write_shard(path: Path, frames: Iterable[ShardFrame], image_format: str = "png", quality: int = 95) -> int:
    """Write frames as one shard, which appears under its name when it is whole; returns their number.

    The bytes depend on the frames alone. Without frames nothing is written.

    Args:
        path: of the shard.
        frames: in the order in which they will lie there.
        image_format: one of IMAGE_FORMATS.
        quality: 1 to 100, of jpg and webp.
    """
    unfinished, count = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{UNFINISHED}"), 0
    try:
        with open(unfinished, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
                for frame in frames:
                    count += 1
                    for extension, content in _members(frame, image_format, quality).items():
                        entry = tarfile.TarInfo(f"{frame.key}.{extension}")
                        entry.size = len(content)
                        archive.addfile(entry, io.BytesIO(content))
            file.flush()
            os.fsync(file.fileno())
        if count:
            os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def remove_unfinished(path: Path) -> None:
    """Remove what a `write_shard` of this shard left that was killed."""
    for unfinished in path.parent.glob(f".{glob.escape(path.stem)}.????????{UNFINISHED}"):
        unfinished.unlink(missing_ok=True)


def _members(frame: ShardFrame, image_format: str, quality: int) -> dict[str, bytes]:
    """Extension -> content."""
    options = {"compress_level": 4} if image_format == "png" else {"quality": quality}
    if image_format == "jpg":
        options["subsampling"] = 0
    members = {image_format: _encoded(frame.image, "jpeg" if image_format == "jpg" else image_format, options)}
    if frame.labels is not None:
        members["labels.png"] = _encoded(frame.labels, "png", {"compress_level": 4})
    return members | {"json": json.dumps(_facts_to_json(frame)).encode()}


def _encoded(pixels: np.ndarray, file_format: str, options: dict[str, int]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=file_format, **options)
    return buffer.getvalue()


def _facts_to_json(frame: FrameFacts) -> dict[str, Any]:
    facts: dict[str, Any] = {name: getattr(frame, name) for name in ("identity", "video", "clip", "frame", "split")}
    facts |= {name: _rounded(getattr(frame, name), decimals) for name, decimals in DECIMALS.items()}
    if frame.face is not None:
        values = frame.face.coefficients
        rows = {name: _rounded(getattr(values, name)[0], FACE_DECIMALS) for name in ("shape", "rotation", "camera")}
        facts["coefficients"] = {"reader": frame.face.reader, "face_model": values.face_model, **rows}
        facts["crop"] = _rounded(frame.face.crop, FACE_DECIMALS)
        facts["camera_crop"] = _rounded(frame.face.camera_crop, FACE_DECIMALS)
    return facts


def _rounded(values: Any, decimals: int) -> list:
    return np.round(np.asarray(values, dtype=float), decimals).tolist()


def _stored_frame(path: Path, key: str, parts: dict[str, tarfile.TarInfo], archive: tarfile.TarFile) -> StoredFrame:
    images = [parts[extension] for extension in IMAGE_FORMATS if extension in parts]
    if len(images) != 1 or "json" not in parts:
        raise ValueError(
            f"Expected one image ({', '.join(IMAGE_FORMATS)}) and json for frame {key} of {path.name}, received "
            f"{sorted(parts)}. The shard is damaged: remove it and prepare it again."
        )
    try:
        if parts["json"].issparse() or parts["json"].size > MAX_JSON_BYTES:
            raise ValueError(f"what fits into {MAX_JSON_BYTES} bytes")
        facts = _facts_from_json(json.loads(archive.extractfile(parts["json"]).read()))
    except (LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(
            f"Expected the keys of a frame in {key}.json of {path.name}, received it without {error}. "
            "Prepare the shard again with this version."
        ) from error
    positions = {name: (member.offset_data, member.size) for name, member in parts.items()}
    return StoredFrame(facts, (images[0].offset_data, images[0].size), positions.get("labels.png"))


def _facts_from_json(facts: dict[str, Any]) -> FrameFacts:
    arrays = {name: np.asarray(facts[name], dtype=np.float32) for name in DECIMALS}
    for name, shape in SHAPES.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} of shape {arrays[name].shape} in place of {shape}")
    return FrameFacts(
        **{name: facts[name] for name in ("identity", "video", "clip", "frame", "split")},
        **arrays,
        face=_face_from_json(facts, arrays["expression"]) if "coefficients" in facts else None,
    )


def _face_from_json(facts: dict[str, Any], expression: np.ndarray) -> FaceRecord:
    rows = {
        name: torch.tensor([facts["coefficients"][name]], dtype=torch.float32)
        for name in ("shape", "rotation", "camera")
    }
    crops = [np.asarray(facts[name], dtype=np.float32) for name in ("crop", "camera_crop")]
    reader = facts["coefficients"]["reader"]
    # Shards that do not name the face model were made when only "emoca" had another one than "open".
    face_model = facts["coefficients"].get("face_model", "flame" if reader == "emoca" else "open")
    coefficients = FaceCoefficients(expression=torch.from_numpy(expression)[None], face_model=face_model, **rows)
    return FaceRecord(reader, coefficients, *crops)
