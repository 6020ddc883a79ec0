"""Saved sources and poses: numbered files in ComfyUI's output folder, found there or in the input folder."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import io

SUFFIX = ".safetensors"
# Below the output folder only this one is searched: the whole may hold any number of images.
OUTPUT_SUBFOLDER = "diffusionact"
OUTPUT_MARK = " [output]"
NO_NAME = "Expected the name of a saved file, received {}. Choose one from the list."


def new_file(prefix: str) -> Path:
    """The next free name with this prefix in the output folder, whose sub-folders are made."""
    folder, name, counter, _, _ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory())
    return Path(folder) / f"{name}_{counter:05}_{SUFFIX}"


def saved_files() -> list[str]:
    """Names of all files that could be loaded, those of the output folder with ComfyUI's mark."""
    inputs, outputs = Path(folder_paths.get_input_directory()), Path(folder_paths.get_output_directory())
    found = sorted(path.relative_to(inputs).as_posix() for path in inputs.rglob(f"*{SUFFIX}"))
    saved = sorted((outputs / OUTPUT_SUBFOLDER).rglob(f"*{SUFFIX}"), key=_changed, reverse=True)
    return [path.relative_to(outputs).as_posix() + OUTPUT_MARK for path in saved] + found


def file_input(kind: str) -> io.Input:
    """The input `file`."""
    return io.Combo.Input(
        "file",
        options=saved_files(),
        tooltip=f"A saved {kind}: from output/{OUTPUT_SUBFOLDER}, newest first, or from the input folder.",
    )


def prefix_input(kind: str) -> io.Input:
    """The input `filename_prefix`."""
    return io.String.Input(
        "filename_prefix",
        default=f"{OUTPUT_SUBFOLDER}/{kind}",
        tooltip="Beginning of the file's name in the output folder; a number is added. Load nodes look in "
        f"output/{OUTPUT_SUBFOLDER}.",
    )


def saved_path(file: str) -> Path:
    """Where a file of `saved_files` lies.

    Raises:
        ValueError: if it is not there, or outside ComfyUI's folders: a name that comes over a link was not validated.
    """
    problem = problem_with_file(file)
    if problem or file is None:  # None is a link before it is run, and is no name after it
        raise ValueError(problem or NO_NAME.format(None))
    return _path_of(file)


def problem_with_file(file: str | None) -> str:
    """Why a file cannot be loaded; empty if nothing is known against it, such as before a link is run."""
    if file is None:
        return ""
    if not isinstance(file, str):  # a workflow may have anything in its place
        return NO_NAME.format(repr(file))
    homes = (folder_paths.get_input_directory(), folder_paths.get_output_directory())
    try:
        path = _path_of(file or SUFFIX).resolve()  # with nothing saved yet, ComfyUI has no file to name
    except ValueError:  # newer versions of ComfyUI reject what leads out of their folders
        path = Path()
    if path.suffix == SUFFIX and path.is_file() and any(path.is_relative_to(Path(home).resolve()) for home in homes):
        return ""
    return f"Expected a saved file in the output or input folder, received {file!r}. Save one, or refresh the list."


def file_fingerprint(file: str | None) -> str:
    """Changes when the file changes; a name that comes over a link is not known yet."""
    if file is None:
        return ""
    path = saved_path(file)
    return f"{path}:{path.stat().st_mtime_ns}:{path.stat().st_size}"


def _path_of(file: str) -> Path:
    return Path(folder_paths.get_annotated_filepath(file))


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns
