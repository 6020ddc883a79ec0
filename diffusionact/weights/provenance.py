"""Files of the tracker folder: written whole or not at all, with a note of what they were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .. import images
from .ordered_notes import save_in_order

READ_BYTES = 2**22
# Beside the networks of a model folder.
PROVENANCE_NAME = "provenance.json"


@dataclass(frozen=True)
class Provenance:
    """What a file was made from.

    Attributes:
        source: name of the authors' file, or several with " + " between them.
        source_sha256: hash of that file, or of each.
        licence: the terms that go with the file.
        content_sha256: hash of what was written; shows damage later.
    """

    source: str
    source_sha256: str
    licence: str
    content_sha256: str = ""


def write_tracker_file(path: Path, tensors: Mapping[str, Tensor], provenance: Provenance) -> None:
    """Write tensors as safetensors, with provenance in the metadata.

    Raises:
        OSError: if the folder cannot be written or the disk is full.
    """
    notes = asdict(provenance) | {"content_sha256": sha256_of_tensors(tensors), "format": "pt"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with images.written_under_temporary_name(path) as temporary:
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        temporary.write_bytes(save_in_order(contiguous, notes))


def write_model_provenance(folder: Path, provenance: Provenance) -> None:
    """Put the note beside the networks of a model folder."""
    notes = asdict(provenance) | {"content_sha256": sha256_of_model(folder)}
    with images.written_under_temporary_name(folder / PROVENANCE_NAME) as temporary:
        temporary.write_text(json.dumps(notes, indent=2) + "\n")


def read_provenance(path: Path) -> Provenance | None:
    """What a tracker file or model folder was made from; None if it does not say."""
    try:
        if path.is_dir():
            notes = json.loads((path / PROVENANCE_NAME).read_text(encoding="utf-8"))
        else:
            with safe_open(path, framework="pt") as file:
                notes = file.metadata() or {}
        return Provenance(**{field.name: str(notes[field.name]) for field in fields(Provenance)})
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def sha256_of_file(path: Path) -> str:
    """Hash of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_model(folder: Path) -> str:
    """Hash of the weights of all networks in a model folder, in hex."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*/*.safetensors")):
        digest.update(f"{path.relative_to(folder).as_posix()} {sha256_of_file(path)}\n".encode())
    return digest.hexdigest()


def sha256_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Hash of names, types, shapes and values, in hex; the order does not matter."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)  # as bytes: numpy knows no bfloat16
    return digest.hexdigest()
