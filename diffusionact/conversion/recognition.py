"""Which of the authors' files is this? By its content: names of entries and weights; a file's name does not matter."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..perception.identity_networks import ONNX_SUFFIX
from .archives import zip_member_names
from .array_pickles import read_arrays
from .checkpoints import OLD_FORMAT_START, read_checkpoint
from .flame_head import EMBEDDING_ARRAYS, MODEL_ARRAYS
from .onnx_graphs import read_recognition_network

EMOCA_PREFIXES = ("deca.E_flame.", "deca.E_expression.")
SETTINGS_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Recognition:
    """What a file is.

    Attributes:
        name: of its entry in the catalogue; None for a file of no use here.
        reason: why it is none, for messages.
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


def _has_widths(*ratios: int) -> Callable[[Mapping[str, Any]], bool]:
    """LPIPS's learnt weights, whose backbone shows in the widths of its layers."""

    def has(content: Mapping[str, Any]) -> bool:
        widths = [content.get(f"lin{layer}.model.1.weight") for layer in range(len(ratios) + 1)]
        if widths[-1] is not None or not all(isinstance(value, Tensor) and value.ndim == 4 for value in widths[:-1]):
            return False
        return [value.shape[1] for value in widths[:-1]] == [ratio * widths[0].shape[1] for ratio in ratios]

    return has


# Name in the catalogue -> what only this checkpoint has. The first that fits.
CHECKPOINTS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "diffusionact": _has("state_dict_net", "state_dict_diff"),
    "emoca": _has_prefixes("state_dict", *EMOCA_PREFIXES),
    "diffae": _has_prefixes("state_dict", "ema_model.", "model."),
    "gaze": _has_prefixes("model_state", "gaze_network.", "gaze_fc."),
    "s3fd": _has("fc6.weight", "conv3_3_norm.weight", "conv7_2_mbox_loc.weight"),
    "fan": _has("m0.b1_4.bn1.weight", "m3.b2_plus_1.bn1.weight", "l3.weight"),
    "arcface": _has("input_layer.0.weight", "body.23.res_layer.5.fc1.weight", "output_layer.3.weight"),
    "stylegan-voxceleb": _has_prefixes("g_ema", "style.1.", "convs.0.conv.modulation.", "to_rgb1."),
    "e4e-voxceleb": _has_prefixes("e", "input_layer.", "styles.0.linear.", "latlayer1."),
    "directions": _has_prefixes("A_matrix", "linear.weight"),
    "deca": _has_prefixes("E_flame", "encoder.layer4.", "layers.2."),
    "face_parsing": _has("cp.resnet.conv1.weight", "ffm.convblk.conv.weight", "conv_out.conv_out.weight"),
    "farl": _has_prefixes("state_dict", "visual.proj", "visual.transformer.resblocks.0.attn.in_proj_weight"),
    # Numbers of the layers; those of the networks with batch norm are others.
    "vgg19": _has("features.16.weight", "features.25.weight", "features.34.weight", "classifier.6.weight"),
    "vgg16": _has("features.17.weight", "features.26.weight", "features.28.weight", "classifier.6.weight"),
    "alexnet": _has("features.3.weight", "features.6.weight", "features.10.weight", "classifier.6.weight"),
    "lpips-alex": _has_widths(1, 3, 6, 4, 4),
    "lpips-vgg": _has_widths(1, 2, 4, 8, 8),
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
        if path.suffix == ONNX_SUFFIX:
            read_recognition_network(path)
            return Recognition("insightface")
        if zipfile.is_zipfile(path):
            return _recognise_zip(path)
        with path.open("rb") as stream:
            start = stream.read(len(OLD_FORMAT_START))
        if start == OLD_FORMAT_START:
            return _first_fit(CHECKPOINTS, read_checkpoint(path))
        if start.startswith((np.lib.format.MAGIC_PREFIX, b"\x80", b"(d", b"}")):
            return _first_fit(ARRAYS, read_arrays(path))
    except (ValueError, OSError, zipfile.BadZipFile, NotImplementedError, ModuleNotFoundError) as error:
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
