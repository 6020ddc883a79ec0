"""Reads the pickled checkpoints of the authors: weights only, nothing in them is run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

# What the authors' checkpoints may name besides tensors and plain values: module and name.
# Lightning's classes are replaced by an inert stand-in; it is not needed here.
LIGHTNING_CLASSES = (
    ("pytorch_lightning.callbacks.lr_monitor", "LearningRateMonitor"),
    ("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"),
    ("pytorch_lightning.utilities.parsing", "AttributeDict"),
)
# numpy's plain numbers, under the module's name before and since numpy 2.
NUMPY_SCALAR_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
NUMPY_SCALAR_TYPES = ("float64", "float32", "int64")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Open a checkpoint; its tensors stay in the file until they are used.

    Args:
        path: written by torch.save in the zip format, that is, by PyTorch 1.6 or newer.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is something else, is damaged, or holds more than weights and plain values.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a checkpoint, received {path}, which is no file. Check the path.")
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"Expected a checkpoint in PyTorch's zip format, received {path} ({path.stat().st_size} bytes), which is "
            "damaged, not downloaded completely, or in the format before PyTorch 1.6. Download it again; an old one "
            "must be opened and saved again with a PyTorch that wrote it."
        )
    try:
        with _names_allowed():
            content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
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


def state_dict_of(checkpoint: Mapping[str, Any], part: str, path: Path) -> Mapping[str, Tensor]:
    """One part of a checkpoint, checked to be name -> tensor.

    Raises:
        ValueError: if there is no such part, or it is something else.
    """
    state = checkpoint.get(part)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
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
    stand_ins = [type(name, (dict,), {"__module__": module}) for module, name in LIGHTNING_CLASSES]
    return torch.serialization.safe_globals([*numbers, *scalars, *stand_ins])


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
