"""Which of the authors' files is this? By its content: names of entries and weights; a file's name does not matter."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .archives import zip_member_names
from .array_pickles import read_arrays
from .checkpoints import OLD_FORMAT_START, read_checkpoint
from .flame_head import EMBEDDING_ARRAYS, MODEL_ARRAYS

EMOCA_PREFIXES = ("deca.E_flame.", "deca.E_expression.")
SETTINGS_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Recognition:
    """What a file is.

    Attributes:
        name: of its entry in the catalogue; None for a file of no use here.
        reason: why it is none, in words.
        is_settings: settings that are read together with a checkpoint beside them.
    """

    name: str | None
    reason: str = ""
    is_settings: bool = False


def _has(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda content: all(name in content for name in names)


def _has_prefixes(part: str, *prefixes: str) -> Callable[[Mapping[str, Any]], bool]:
    def has(content: Mapping[str, Any]) -> bool:
        state = content.get(part)
        return isinstance(state, Mapping) and all(any(str(key).startswith(p) for key in state) for p in prefixes)

    return has


# Name in the catalogue -> what only this checkpoint has. The first that fits.
CHECKPOINTS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "diffusionact": _has("state_dict_net", "state_dict_diff"),
    "emoca": _has_prefixes("state_dict", *EMOCA_PREFIXES),
    "diffae": _has_prefixes("state_dict", "ema_model.", "model."),
    "gaze": _has_prefixes("model_state", "gaze_network.", "gaze_fc."),
    "s3fd": _has("fc6.weight", "conv3_3_norm.weight", "conv7_2_mbox_loc.weight"),
    "fan": _has("m0.b1_4.bn1.weight", "m3.b2_plus_1.bn1.weight", "l3.weight"),
}
ARRAYS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "flame": _has(*MODEL_ARRAYS),
    "flame-landmarks": _has(*EMBEDDING_ARRAYS),
}


def recognise(path: Path) -> Recognition:
    """Look into a file; nothing of it is run.

    Args:
        path: an existing file.
    """
    try:
        if path.suffix in SETTINGS_SUFFIXES:
            return Recognition(None, "read along with a checkpoint beside them", True)
        if zipfile.is_zipfile(path):
            return _recognise_zip(path)
        with path.open("rb") as stream:
            start = stream.read(len(OLD_FORMAT_START))
        if start == OLD_FORMAT_START:
            return _first_fit(CHECKPOINTS, read_checkpoint(path))
        if start.startswith((np.lib.format.MAGIC_PREFIX, b"\x80", b"(d", b"}")):
            return _first_fit(ARRAYS, read_arrays(path))
    except (ValueError, OSError, zipfile.BadZipFile, NotImplementedError) as error:
        return Recognition(None, " ".join(str(error).split()))
    return Recognition(None, "not a format of the authors' files")


def _recognise_zip(path: Path) -> Recognition:
    members = zip_member_names(path)
    if "constants.pkl" in members:
        return Recognition(None, "a TorchScript program; take the published weights, such as 2DFAN4-11f355bf06.pth.tar")
    if "data.pkl" not in members:
        return Recognition(None, "an archive inside an archive; unpack it first")
    return _first_fit(CHECKPOINTS, read_checkpoint(path))


def _first_fit(table: Mapping[str, Callable[[Mapping[str, Any]], bool]], content: Mapping[str, Any]) -> Recognition:
    for name, fits in table.items():
        if fits(content):
            return Recognition(name)
    entries = sorted(map(str, content))
    return Recognition(None, f"none of the authors' files; it holds {', '.join(entries[:4]) or 'nothing'}")
