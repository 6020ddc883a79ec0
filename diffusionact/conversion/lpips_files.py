"""LPIPS from files in the weights folder, or by the optional package `lpips`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from ..checks import check_choice
from ..metrics.perceptual_distance import load_lpips
from ..perception.lpips import Lpips, LpipsFeatures
from .perception_files import PERCEPTION_FILES, find_file, find_perception_file, load_network

# Backbone -> its two files, by name in the catalogue.
LPIPS_FILES = {"alex": ("alexnet", "lpips-alex"), "vgg": ("vgg16", "lpips-vgg")}


def load_lpips_features(
    backbone: str, folder: Path | None = None, files: Mapping[str, Path] | None = None
) -> LpipsFeatures:
    """Feature maps of LPIPS, frozen, in evaluation mode, on the CPU.

    Args:
        backbone: "alex" or "vgg".
        folder: holds the two files; None looks in the weights folder.
        files: paths of the files elsewhere, by name in the catalogue.

    Raises:
        FileNotFoundError: if a file is missing, with its name, source and terms.
        ValueError: if a file holds something else.
    """
    check_choice("the LPIPS backbone", backbone, tuple(LPIPS_FILES))
    files = files or {}
    paths = (files[name] if name in files else find_perception_file(name, folder) for name in LPIPS_FILES[backbone])
    maps, learnt = (load_network(*pair) for pair in zip(LPIPS_FILES[backbone], paths, strict=True))
    return LpipsFeatures(maps, learnt).eval()


def load_lpips_network(backbone: str = "alex") -> nn.Module:
    """The network of the metric: of the files in the weights folder if both are there, else the package's.

    Args:
        backbone: "alex" or "vgg".

    Raises:
        ModuleNotFoundError: if neither the files nor the package are there; the message names both ways.
        ValueError: if there is no such backbone, or a file holds something else.
    """
    check_choice("the LPIPS backbone", backbone, tuple(LPIPS_FILES))
    entries = [PERCEPTION_FILES[name].entry for name in LPIPS_FILES[backbone]]
    if all(find_file(entry) for entry in entries):
        return Lpips(load_lpips_features(backbone)).eval()
    try:
        return load_lpips(backbone)
    except ModuleNotFoundError as error:
        commands = " and ".join(f"`diffusionact weights fetch {entry.name}`" for entry in entries)
        raise ModuleNotFoundError(f"{error} Or, without torchvision: {commands}.") from error
