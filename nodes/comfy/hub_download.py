"""Models from the Hugging Face Hub into ComfyUI's model folder: with progress, resumed, checked, and repaired.

HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are respected by huggingface_hub itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download

# The base class of whatever HTTP library huggingface_hub uses in its version: no connection, bad answers.
from huggingface_hub.errors import HTTPError
from tqdm import tqdm

from ...diffusionact.weights import HUB_PATTERNS, INDEX_NAME

ByteCallback = Callable[[int, int], None]


def download(repository: str, folder: Path, on_bytes: ByteCallback) -> Path:
    """Download what is missing or damaged of a model, and nothing else of the repository.

    Args:
        repository: such as "name/model".
        folder: where the model goes; what lies there complete is not downloaded again.
        on_bytes: called with (done, total) from the threads that download; what it raises ends the download.

    Raises:
        FileNotFoundError: if the model cannot be had, or arrives damaged twice.
    """
    try:
        for _ in range(2):
            snapshot_download(
                repository, local_dir=folder, allow_patterns=HUB_PATTERNS, tqdm_class=_reporting_bar(on_bytes)
            )
            damaged = damaged_files(repository, folder)
            if not damaged:
                return folder
            for path in damaged:
                path.unlink(missing_ok=True)
    except (OSError, ValueError, HTTPError) as error:
        if (folder / INDEX_NAME).is_file() and not isinstance(error, ValueError):
            return folder  # no connection: what lies here is loaded, and checked by the loader
        reason = next(iter(str(error).strip().splitlines()), "no reason given")
        raise FileNotFoundError(
            f"Expected the model {repository!r} from the Hugging Face Hub, received {type(error).__name__}: {reason} "
            f"Check the name and the connection, or put the model's folder into {folder.parent} yourself."
        ) from error
    names = ", ".join(path.name for path in damaged)
    raise FileNotFoundError(
        f"Expected files of {repository!r} with the hashes that the Hub states, received others twice ({names}). "
        "Something between the Hub and this machine changes them; try another network."
    )


def damaged_files(repository: str, folder: Path) -> list[Path]:
    """Files of a downloaded model whose size or SHA-256 is not what the Hub states."""
    stated = HfApi().model_info(repository, files_metadata=True).siblings or []
    wanted = [file for file in stated if any(fnmatch(file.rfilename, pattern) for pattern in HUB_PATTERNS)]
    return [
        folder / file.rfilename
        for file in wanted
        if not _is_whole(folder / file.rfilename, file.size, file.lfs.sha256 if file.lfs else None)
    ]


def _is_whole(path: Path, size: int | None, sha256: str | None) -> bool:
    if not path.is_file() or (size is not None and path.stat().st_size != size):
        return False
    if sha256 is None:
        return True
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest() == sha256


def _reporting_bar(on_bytes: ByteCallback) -> type[tqdm]:
    """A progress bar for huggingface_hub that also tells `on_bytes`."""

    class Bar(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            if self.unit == "B" and self.total:
                on_bytes(int(self.n), int(self.total))
            return shown

    return Bar
