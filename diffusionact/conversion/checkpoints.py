"""Reads the pickled checkpoints of the authors: weights only, nothing in them is run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

# What checkpoints hold besides tensors and plain values. Lightning's classes are replaced by an inert stand-in.
LIGHTNING_NAMES = (
    "pytorch_lightning.callbacks.lr_monitor.LearningRateMonitor",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)
NUMPY_SCALAR_NAMES = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")


class Inert(dict):
    """Stands in for classes that checkpoints name and nobody needs here."""


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
        with torch.serialization.safe_globals(_allowed()):
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


def _allowed() -> list[Any]:
    """Classes and functions that may be named in a checkpoint: inert stand-ins, and numpy's plain numbers."""
    scalar = np.float64(0).__reduce__()[0]
    numbers = [np.dtype, *(type(np.dtype(name)) for name in ("float64", "float32", "int64"))]
    stand_ins = [(Inert, name) for name in LIGHTNING_NAMES]
    return [*numbers, *((scalar, name) for name in NUMPY_SCALAR_NAMES), *stand_ins]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
