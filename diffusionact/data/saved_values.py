"""Save and load `SourceCodes` and `FacePose` as safetensors files: no pickle, nothing executable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..images import written_under_temporary_name
from ..types import CropTransform, FaceCoefficients, FacePose, SourceCodes
from ..weights.ordered_notes import save_in_order
from .packed_images import pack_images, unpack_images

KINDS = {kind.__name__: kind for kind in (SourceCodes, FacePose)}
NESTED = {"crop": CropTransform, "frame": CropTransform, "coefficients": FaceCoefficients}
CODES = "codes"
# Of files that do not list their codes: those of version 0.1, which knew one engine.
FIRST_CODES = ("semantic_code", "stochastic_code")
# 2 had no packed images; 1 does not name the face model either.
FORMAT = "3"
OLD_FORMATS = ("1", "2")
FORMAT_WITHOUT_FACE_MODEL = "1"
FACE_MODEL = "coefficients.face_model"
ATTACHED = "attached."
PACKED = "packed"
FRAME_RATE_NOTE = "frame_rate"  # of a clip of poses, as a fraction
MAX_FRAME_RATE = 1000  # as of videos

# What damaged files raise on the way, in the header, in JSON or in an image.
DAMAGE = (SafetensorError, OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, OverflowError)


@dataclass(frozen=True)
class Attachments:
    """What a file holds beside its value.

    Attributes:
        model: `source_fingerprint` of what made the value; "" where it is unknown.
        notes: name -> text, such as a frame rate.
        tensors: name -> tensor, such as the whole image of a source.
    """

    model: str
    notes: Mapping[str, str]
    tensors: Mapping[str, Tensor]


def source_fingerprint(engine: str, face_model: str) -> str:
    """Tells by which engine and in whose coefficients a source was encoded: computed once, when it is.

    Args:
        engine: fingerprint of the engine.
        face_model: name of the face model.
    """
    # The open face model adds nothing, as it did before there were names.
    return engine if face_model == "open" else f"{engine}-{face_model}"


def save_value(
    value: SourceCodes | FacePose,
    path: Path,
    model: str = "",
    notes: Mapping[str, str] | None = None,
    attached: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a value; the file appears under its name only when it is complete.

    Args:
        value: what to save.
        path: the file, ending in .safetensors.
        model: `source_fingerprint` of what made it, checked when loading.
        notes, attached: see `Attachments`; whoever only wants the value need not know them.

    Raises:
        OSError: if the folder is absent or cannot be written.
    """
    tensors, numbers = _flatten(value)
    tensors |= {ATTACHED + name: tensor.cpu().contiguous() for name, tensor in (attached or {}).items()}
    tensors, packed = pack_images(tensors)
    metadata = {"kind": type(value).__name__, "format": FORMAT, "model": model, "numbers": json.dumps(numbers)}
    metadata[PACKED] = json.dumps(packed)
    metadata[CODES] = json.dumps(list(getattr(value, CODES, ())))
    metadata["notes"] = json.dumps(dict(notes or {}))
    with written_under_temporary_name(path) as temporary:
        temporary.write_bytes(save_in_order(tensors, metadata))


def load_attachments(path: Path) -> Attachments:
    """Read what a file that `load_value` has read holds beside its value.

    Raises:
        ValueError: if that is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = _with_face_model(file)
            names = [name for name in file.keys() if name.startswith(ATTACHED)]  # noqa: SIM118 - not a dict
            tensors = {name: file.get_tensor(name) for name in names}
        tensors = unpack_images(tensors, json.loads(metadata.get(PACKED, "{}")))
        notes = dict(json.loads(metadata.get("notes", "{}")))
    except DAMAGE as error:
        raise ValueError(f"Expected notes beside the value, received {path} ({error}). Make the file again.") from error
    attached = {name.removeprefix(ATTACHED): tensor for name, tensor in tensors.items()}
    return Attachments(metadata.get("model", ""), notes, attached)


def frame_rate_of(attached: Attachments, path: Path) -> Fraction | None:
    """The frame rate beside saved poses, frames per second; None where none was noted.

    Raises:
        ValueError: if it is no number above 0 and at most `MAX_FRAME_RATE`.
    """
    if FRAME_RATE_NOTE not in attached.notes:
        return None
    noted = attached.notes[FRAME_RATE_NOTE]
    try:
        rate = Fraction(noted)
        is_rate = 0 < rate <= MAX_FRAME_RATE
    except (ValueError, TypeError, ArithmeticError):
        is_rate = False
    if not is_rate:
        raise ValueError(
            f"Expected a frame rate above 0 and at most {MAX_FRAME_RATE} beside the poses, received {path} with "
            f"{str(noted)[:80]!r}. Make the file again."
        )
    return rate


def load_value(path: Path, kind: type, model: str = "") -> Any:
    """Read a value written by `save_value`.

    Args:
        path: the file.
        kind: `SourceCodes` or `FacePose`, what is expected.
        model: `source_fingerprint` of what will use it; "" does not check.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is something else, is damaged, or was made with another model or face model.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a saved {kind.__name__}, received {path}, which is no file. Check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = _with_face_model(file)
            names = [name for name in file.keys() if not name.startswith(ATTACHED)]  # noqa: SIM118 - not a dict
            tensors = {name: file.get_tensor(name) for name in names}
    except DAMAGE as error:
        raise ValueError(
            f"Expected a safetensors file with {kind.__name__}, received {path} ({error}). Make the file again."
        ) from error
    if KINDS.get(metadata.get("kind", "")) is not kind:
        raise ValueError(
            f"Expected a file with {kind.__name__}, received {path} with {metadata.get('kind', 'something else')}. "
            "Choose the right file."
        )
    numbers, maker = _numbers(metadata, path), metadata.get("model", "")
    if model and maker != model:
        raise ValueError(
            f"Expected {kind.__name__} made with this model and face model ({model}), received {path} made with "
            f"{maker or 'an unknown one'} (face model {numbers.get(FACE_MODEL)!r}). Encode the source again with this "
            "model and face reader, or choose those it was made with."
        )
    try:
        return _build(kind, unpack_images(tensors, json.loads(metadata.get(PACKED, "{}"))), numbers, "")
    except KeyError as error:
        raise ValueError(
            f"Expected every part of {kind.__name__}, received {path} without {error}. Make the file again."
        ) from error
    except DAMAGE as error:
        raise ValueError(
            f"Expected whole images in {kind.__name__}, received {path} ({error}). Make the file again."
        ) from error


def _numbers(metadata: Mapping[str, str], path: Path) -> dict[str, Any]:
    """What a file holds beside tensors: numbers, names, and which tensors are codes."""
    if metadata.get("format", FORMAT) not in (FORMAT, *OLD_FORMATS):
        raise ValueError(
            f"Expected a file of format {FORMAT} or older, received {path} of format {metadata['format']}. Update this "
            "package, or make the file again."
        )
    try:
        numbers = json.loads(metadata.get("numbers", "{}"))
        codes = json.loads(metadata.get(CODES, json.dumps(FIRST_CODES)))
        if not isinstance(numbers, dict) or not isinstance(codes, list):
            raise ValueError(f"{type(numbers).__name__} and {type(codes).__name__}")
        return numbers | {CODES: codes}
    except ValueError as error:
        raise ValueError(
            f"Expected JSON beside the tensors, received {path} ({error}). Make the file again."
        ) from error


def _with_face_model(file: safe_open) -> dict[str, str]:
    """The metadata of an open file; that of a file which does not name its face model is completed.

    Only here the number of expression values tells the face model: while that format was written there were two models,
    with 52 and 53. Their fingerprints ended in the reader's name, or named none where nodes had written them.
    """
    metadata = file.metadata() or {}
    has_expression = "coefficients.expression" in file.keys()  # noqa: SIM118 - not a dict
    if metadata.get("format") != FORMAT_WITHOUT_FACE_MODEL or not has_expression:
        return metadata
    width = file.get_slice("coefficients.expression").get_shape()[-1]
    face_model = "flame" if width == 53 else "open"
    numbers = json.loads(metadata.get("numbers", "{}")) | {FACE_MODEL: face_model}
    engine = metadata.get("model", "").partition("-")[0]
    model = source_fingerprint(engine, face_model) if engine else ""
    return metadata | {"numbers": json.dumps(numbers), "model": model}


def _flatten(value: Any, prefix: str = "") -> tuple[dict[str, Tensor], dict[str, int | str]]:
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, int | str] = {}
    for field in fields(value):
        item, name = getattr(value, field.name), prefix + field.name
        if isinstance(item, Tensor):
            # A copy, because two parts may be views of the same memory, which the format refuses.
            tensors[name] = item.cpu().clone(memory_format=torch.contiguous_format)
        elif isinstance(item, (int, str)):
            numbers[name] = item
        elif isinstance(item, Mapping):
            for key, tensor in item.items():
                tensors[f"{name}.{key}"] = tensor.cpu().clone(memory_format=torch.contiguous_format)
        else:
            inner_tensors, inner_numbers = _flatten(item, name + ".")
            tensors |= inner_tensors
            numbers |= inner_numbers
    return tensors, numbers


def _build(kind: type, tensors: dict[str, Tensor], numbers: dict[str, Any], prefix: str) -> Any:
    values = {}
    for field in fields(kind):
        name = prefix + field.name
        if field.name == CODES:
            names = {key: f"{CODES}.{key}" for key in numbers[CODES]}
            # Version 0.1 had them among the other tensors.
            values[CODES] = {key: tensors[name if name in tensors else key] for key, name in names.items()}
        elif field.name in NESTED:
            values[field.name] = _build(NESTED[field.name], tensors, numbers, name + ".")
        else:
            value = tensors[name] if name in tensors else numbers[name]
            if type(value).__name__ != field.type:
                raise ValueError(f"{name} is a {type(value).__name__}, not a {field.type}")
            values[field.name] = value
    return kind(**values)
