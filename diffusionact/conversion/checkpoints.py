"""Reads the pickled checkpoints of the authors: weights only, nothing in them is run."""

from __future__ import annotations

import pickle
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

# What the authors' checkpoints may name besides tensors and plain values: module and name. Lightning's and OmegaConf's
# classes are replaced by inert stand-ins; neither package is needed here.
FOREIGN_CLASSES = (
    ("argparse", "Namespace"),
    ("omegaconf.base", "ContainerMetadata"),
    ("omegaconf.base", "Metadata"),
    ("omegaconf.dictconfig", "DictConfig"),
    ("omegaconf.listconfig", "ListConfig"),
    ("omegaconf.nodes", "AnyNode"),
    ("pytorch_lightning.callbacks.early_stopping", "EarlyStopping"),
    ("pytorch_lightning.callbacks.lr_monitor", "LearningRateMonitor"),
    ("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"),
    ("pytorch_lightning.utilities.parsing", "AttributeDict"),
    ("typing", "Any"),
)
# Plain types that a file may name instead of holding their values.
PLAIN_TYPES = (dict, int, list, defaultdict)
# numpy's plain numbers, under the module's name before and since numpy 2.
NUMPY_SCALAR_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
NUMPY_SCALAR_TYPES = ("float64", "float32", "int64")
OLD_FORMAT_START = pickle.dumps(torch.serialization.MAGIC_NUMBER, 2)[:-1]
# What damaged and hostile files make torch's reader raise.
READING_ERRORS = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    LookupError,
    AttributeError,
    TypeError,
    ValueError,
    AssertionError,
)


class _Inert(dict):
    """Takes whatever it is made with and does nothing; what is set in it is kept as in a dict."""

    def __init__(self, *_: object):
        super().__init__()

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Open a checkpoint; tensors of the zip format stay in the file until they are used.

    Args:
        path: written by torch.save; S3FD and FAN were published in the format before PyTorch 1.6.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is something else, is damaged, or holds more than weights and plain values.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a checkpoint, received {path}, which is no file. Check the path.")
    is_zip = zipfile.is_zipfile(path)
    if not is_zip and not _begins_like_old_format(path):
        raise ValueError(
            f"Expected a checkpoint written by PyTorch, received {path} ({path.stat().st_size} bytes), which is "
            "damaged, not downloaded completely, or something else. Download it again."
        )
    if is_zip:
        _check_unpacked(path)
    try:
        with _names_allowed():
            content = torch.load(path, map_location="cpu", mmap=is_zip or None, weights_only=True)
    except READING_ERRORS as error:
        raise ValueError(
            f"Expected a checkpoint with weights and plain values only, received {path} "
            f"({_first_line(error)}). Nothing in it was run. Download the authors' file again; take only its "
            "state dicts into a new file if you trust it."
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"Expected a checkpoint with named parts, received {path} with a {type(content).__name__}. "
            "Choose the authors' file."
        )
    return content


def _check_unpacked(path: Path) -> None:
    """Raise ValueError for an archive with more in it than its own size: torch packs nothing, a bomb does."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, UnicodeDecodeError):
        return  # the reader explains what is damaged
    if inside > path.stat().st_size:
        raise ValueError(
            f"Expected a checkpoint as PyTorch writes it, without compression, received {path} with {inside} bytes "
            f"packed into {path.stat().st_size}. Download the authors' file again."
        )


def state_dict_of(checkpoint: Mapping[str, Any], part: str, path: Path) -> Mapping[str, Tensor]:
    """One part of a checkpoint, checked to be name -> tensor.

    Raises:
        ValueError: if there is no such part, or it is something else.
    """
    state = checkpoint.get(part)
    is_state = isinstance(state, Mapping) and all(isinstance(key, str) for key in state)
    if not is_state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(
            f"Expected a checkpoint with the weights {part!r}, received {path} with {sorted(map(str, checkpoint))}. "
            "Choose the authors' file; the README says which file goes where."
        )
    return state


def _names_allowed() -> AbstractContextManager[None]:
    """Let torch's safe reader accept the names of the tables above."""
    if not hasattr(torch.serialization, "safe_globals"):  # before PyTorch 2.5
        return nullcontext()
    numbers = [np.dtype, *(type(np.dtype(name)) for name in NUMPY_SCALAR_TYPES)]
    scalars = [_numpy_scalar_of(module) for module in NUMPY_SCALAR_MODULES]
    stand_ins = [type(name, (_Inert,), {"__module__": module}) for module, name in FOREIGN_CLASSES]
    return torch.serialization.safe_globals([*numbers, *scalars, *stand_ins, *PLAIN_TYPES])


def _begins_like_old_format(path: Path) -> bool:
    """The format before PyTorch 1.6 begins with a pickled number, in pickle protocol 2."""
    with path.open("rb") as stream:
        return stream.read(len(OLD_FORMAT_START)) == OLD_FORMAT_START


def _numpy_scalar_of(module: str) -> Callable[..., Any]:
    """The function that numpy's numbers are unpickled with, going by the given module's name."""
    original = np.float64(0).__reduce__()[0]

    def scalar(*arguments: Any) -> Any:
        return original(*arguments)

    scalar.__module__, scalar.__qualname__ = module, "scalar"
    return scalar


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
