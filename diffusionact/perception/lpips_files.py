"""LPIPS from its two files in the weights folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..checks import check_choice
from ..weights import weights_folder
from .lpips import Lpips, LpipsFeatures
from .network_files import TensorReader, find_file, read_imported
from .perception_files import PERCEPTION_FILES, find_perception_file, load_network

# Backbone -> its two files, by name in the catalogue.
LPIPS_FILES = {"alex": ("alexnet", "lpips-alex"), "vgg": ("vgg16", "lpips-vgg")}


def load_lpips_features(
    backbone: str,
    folder: Path | None = None,
    files: Mapping[str, Path] | None = None,
    read: TensorReader = read_imported,
) -> LpipsFeatures:
    """Feature maps of LPIPS, frozen, in evaluation mode, on the CPU.

    Args:
        backbone: "alex" (the one that its authors recommend for figures) or "vgg".
        folder: holds the two files; None looks in the weights folder.
        files: paths of the files elsewhere, by name in the catalogue.
        read: reads a file; as it stands, imported files only.

    Raises:
        FileNotFoundError: if a file is missing, with its name, source and terms.
        ValueError: if a file holds something else.
    """
    check_choice("the LPIPS backbone", backbone, tuple(LPIPS_FILES))
    files = files or {}
    paths = (files[name] if name in files else find_perception_file(name, folder) for name in LPIPS_FILES[backbone])
    maps, learnt = (load_network(*pair, read) for pair in zip(LPIPS_FILES[backbone], paths, strict=True))
    return LpipsFeatures(maps, learnt).eval()


def load_lpips(backbone: str = "alex", read: TensorReader = read_imported) -> Lpips:
    """The network of the metric LPIPS, of the files in the weights folder; see `load_lpips_features`.

    Raises:
        FileNotFoundError: if a file is missing; the message says which files to bring, and how.
        ValueError: if there is no such backbone, or a file holds something else.
    """
    check_choice("the LPIPS backbone", backbone, tuple(LPIPS_FILES))
    missing = [name for name in LPIPS_FILES[backbone] if find_file(PERCEPTION_FILES[name].entry) is None]
    if missing:
        both = " and ".join(PERCEPTION_FILES[name].in_words for name in LPIPS_FILES[backbone])
        commands = " and ".join(f"`diffusionact weights fetch {name}`" for name in missing)
        raise FileNotFoundError(
            f"Expected {both} for LPIPS, received {weights_folder()} without {' and '.join(missing)}. Run {commands}, "
            "or `diffusionact weights import` with the files, or leave LPIPS out."
        )
    return Lpips(load_lpips_features(backbone, read=read)).eval()
