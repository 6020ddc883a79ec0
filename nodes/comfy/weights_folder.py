"""Where ComfyUI keeps models of this pack: models/diffusionact and the extra model paths."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ...diffusionact.weights import BUNDLED_MODELS, INDEX_NAME, use_folders
from ...diffusionact.weights.model_folder import HUB_ID
from .hub_download import download
from .progress import NodeProgress

FOLDER_NAME = "diffusionact"


def register_folder() -> None:
    """Tell ComfyUI of models/diffusionact, and the library of every folder that ComfyUI knows for it."""
    folder_paths.add_model_folder_path(FOLDER_NAME, str(Path(folder_paths.models_dir) / FOLDER_NAME))
    # Only index files are looked for; without this line ComfyUI would list every file.
    paths, _ = folder_paths.folder_names_and_paths[FOLDER_NAME]
    folder_paths.folder_names_and_paths[FOLDER_NAME] = (paths, {".json"})
    use_folders(*paths)


def model_names() -> list[str]:
    """The bundled models and every folder that holds an index file, by its path below models/diffusionact."""
    files = (Path(name) for name in folder_paths.get_filename_list(FOLDER_NAME))
    found = sorted(file.parent.as_posix() for file in files if file.name == INDEX_NAME)
    return [*BUNDLED_MODELS, *(name for name in found if name != "." and name not in BUNDLED_MODELS)]


def model_folder(name: str) -> Path | None:
    """The folder of a listed model; None if it is not there any more."""
    if name in BUNDLED_MODELS:
        return BUNDLED_MODELS[name]
    index = folder_paths.get_full_path(FOLDER_NAME, f"{name}/{INDEX_NAME}")
    return Path(index).parent if index else None


def fetch_model(repository: str) -> Path:
    """The folder of a Hub repository, below models/diffusionact by its name; downloaded or repaired where needed."""
    progress = NodeProgress(1)
    folder = Path(folder_paths.get_folder_paths(FOLDER_NAME)[0]) / repository
    return download(repository, folder, progress.on_step)


def problem_with_model(name: str, repository: str) -> str:
    """Why a choice cannot be loaded; empty if nothing is known against it."""
    if not isinstance(name, str) or not isinstance(repository, str):  # a workflow may have anything in their place
        return f"Expected names of a model and a repository, received {name!r}, {repository!r}. Choose from the list."
    if repository := repository.strip():
        is_id = HUB_ID.fullmatch(repository)
        return "" if is_id else f"Expected a repository as name/model, received {repository!r}. Correct or empty it."
    if model_folder(name) is None:
        return (
            f"Expected a model in models/{FOLDER_NAME}, received {name!r}, which is not there. Choose another model, "
            "or put its folder there."
        )
    return ""


def folder_fingerprint(name: str, repository: str) -> str:
    """Changes when a file of the chosen model changes."""
    folder = None if repository else model_folder(name)
    if folder is None:
        return repository
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return repr([(path.relative_to(folder).as_posix(), path.stat().st_mtime_ns, path.stat().st_size) for path in files])
