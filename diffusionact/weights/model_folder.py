"""How a model folder is found or fetched, and how a new one takes its place; what is in it belongs to the engines.

A model folder holds one sub-folder per component (config.json and safetensors, as diffusers writes them) and
model_index.json, whose section "diffusionact" names the engine.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from torch import Tensor

from .folders import find_weights, make_weights_folder, weights_folder
from .provenance import PROVENANCE_NAME

INDEX_NAME = "model_index.json"
INDEX_SECTION = "diffusionact"

DEMO_NAME, PHOTO_NAME = "demo", "photo"
DEMO_FOLDER = Path(__file__).resolve().parents[1] / "demo" / "model"
# The models that come with the package, in the order in which they are offered.
BUNDLED_MODELS = {PHOTO_NAME: DEMO_FOLDER.with_name("photo"), DEMO_NAME: DEMO_FOLDER}
# A Hub repository, and nothing else of it than what a model folder is made of.
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
HUB_PATTERNS = [INDEX_NAME, "*/*.json", "*/*.safetensors"]


def resolve_model_folder(name_or_path: str | Path = DEMO_NAME, revision: str | None = None) -> Path:
    """Find the folder of a model, downloading it where `name_or_path` is a Hub repository.

    Downloads go to the Hub's own cache; HF_HOME, HF_ENDPOINT and HF_HUB_OFFLINE are respected.

    Args:
        name_or_path: "photo" or "demo", which are bundled; a folder; the name of a model in the weights folder; or a
            repository id such as "name/model"; the first of these that is there.
        revision: branch, tag or commit of a Hub repository.

    Raises:
        FileNotFoundError: if there is no such model, or it cannot be fetched.
    """
    name, folder = str(name_or_path), Path(name_or_path)
    if isinstance(name_or_path, str) and name in BUNDLED_MODELS:
        folder = BUNDLED_MODELS[name]
    elif not folder.exists():
        folder = _in_weights_folder(name) or (_fetch(name, revision) if HUB_ID.fullmatch(name) else folder)
    elif folder.is_dir() and not (folder / INDEX_NAME).is_file():
        # A folder that happens to have the model's name, such as this package's own in a checkout.
        folder = _in_weights_folder(name) or folder
    elif folder.is_file():
        raise FileNotFoundError(
            f"Expected a model folder, received the file {folder}. Give the folder that holds {INDEX_NAME}; turn the "
            "authors' checkpoints into one with `diffusionact convert`."
        )
    if not (folder / INDEX_NAME).is_file():
        raise FileNotFoundError(
            f"Expected a model folder with {INDEX_NAME}, received {folder}, which "
            f"{'holds none' if folder.is_dir() else 'does not exist'}. Give {PHOTO_NAME!r} or {DEMO_NAME!r}, "
            f"the folder of a model, the name of one in {weights_folder()}, or a Hub repository such as name/model."
        )
    return folder


def read_index(folder: Path) -> dict[str, Any]:
    """model_index.json of a model folder, with its section "diffusionact" checked to be one.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is no JSON object, or of something else than a model of this package.
    """
    index = read_json(folder / INDEX_NAME)
    if not isinstance(index.get(INDEX_SECTION), dict):
        raise ValueError(
            f"Expected a section {INDEX_SECTION!r} with settings such as landmark_frame in {folder / INDEX_NAME}, "
            f"received {index.get(INDEX_SECTION)!r}. Give the folder of a DiffusionAct model, made for this version "
            "of the package."
        )
    return index


@contextmanager
def model_folder_writer(
    folder: str | Path, overwrite: bool = False, components: Collection[str] = ()
) -> Iterator[Path]:
    """Give a temporary folder to write a model into, and move it to its place if all went well.

    Args:
        folder: where the model goes.
        overwrite: replace the model that `folder` may already hold. Other files there stay.
        components: sub-folders that the engine may have; one that the new model lacks goes.

    Raises:
        FileExistsError: if `folder` is there and not empty, without `overwrite`.
    """
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not overwrite):
        raise FileExistsError(
            f"Expected a new or empty folder to write a model into, received {folder}, which is taken. "
            "Choose another folder, or remove this one first."
        )
    make_weights_folder(folder.parent)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        yield temporary
        folder.mkdir(exist_ok=True)
        (folder / INDEX_NAME).unlink(missing_ok=True)
        written = {path.name for path in temporary.iterdir()} | set(components) | {PROVENANCE_NAME}
        for name in (*sorted(written - {INDEX_NAME}), INDEX_NAME):  # the index comes last: with it, all is there
            _replace(temporary / name, folder / name)
    finally:
        shutil.rmtree(temporary)


def check_weights(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], origin: str) -> None:
    """Raise ValueError unless `state` has exactly the names and shapes of `expected`, with finite values.

    Args:
        state: name -> weight.
        expected: name -> tensor of the right shape, may be on the meta device.
        origin: where `state` came from, for the message.
    """
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or unknown:
        raise ValueError(
            f"Expected the {len(expected)} weights of this network in {origin}, received {len(state)}: missing "
            f"{some_of(missing)}; unknown {some_of(unknown)}. The file belongs to another network or config; fetch the "
            "model again."
        )
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            raise ValueError(
                f"Expected {name} with shape {tuple(expected[name].shape)}, received {tuple(tensor.shape)} "
                f"in {origin}. The file belongs to another config; fetch the model again."
            )
        if not torch.isfinite(tensor).all():
            raise ValueError(
                f"Expected finite weights, received NaN or infinite values in {name} of {origin}. The file is damaged "
                "or its training diverged; fetch it again or take an earlier one."
            )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a model.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged.
    """
    try:
        content = json.loads(existing_file(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"Expected JSON, received {path} ({error}). The file is damaged; fetch it again.") from error
    if not isinstance(content, dict):
        raise ValueError(f"Expected a JSON object, received {path} with a {type(content).__name__}. Fetch it again.")
    return content


def existing_file(path: Path) -> Path:
    """The same path, of a file of a model that is there.

    Raises:
        FileNotFoundError: if it is not.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected the file {path.parent.name}/{path.name} of a model, received {path.parent.parent} without it. "
            "The folder is incomplete or of another kind of model; fetch the model again."
        )
    return path


def _in_weights_folder(name: str) -> Path | None:
    """The model of that name there; a name that leaves the folder is not looked for."""
    is_inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    index = find_weights(name, INDEX_NAME) if is_inside else None
    return index.parent if index else None


def _fetch(repository: str, revision: str | None) -> Path:
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=HUB_PATTERNS))
    except (HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise FileNotFoundError(
            f"Expected a model folder or Hub repository, received {repository!r}, which is no folder here and could "
            f"not be fetched from the Hub ({type(error).__name__}: {reason}). Check the name and the connection, or "
            "download the model elsewhere and give its folder."
        ) from error


def _replace(new: Path, old: Path) -> None:
    """Put `new` in the place of `old`; where there is no `new`, `old` is stale and goes."""
    if old.is_dir():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)
    if new.exists():
        new.rename(old)


def some_of(names: list[str]) -> str:
    """The first few names of a list, for messages."""
    if not names:
        return "none"
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
