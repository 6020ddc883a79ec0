"""What is in the weights folder: one entry of the catalogue for people, and what is wrong with a part that is there."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from ..face.readers.emoca import COMPONENTS, DECA_COMPONENTS, build_network
from ..generation import load_engine
from ..weights import INDEX_NAME, OfficialFile, find_weights, weights_folder
from ..weights.provenance import Provenance, read_provenance, sha256_of_model, sha256_of_tensors

# File of the tracker -> attribute of EmocaNetworks or DecaNetworks.
NETWORKS = {file_name: name for name, (file_name, _) in (COMPONENTS | DECA_COMPONENTS).items()}


def is_present(component: str) -> bool:
    """Whether a part of the weights folder is there."""
    return _path(component) is not None


def describe(entry: OfficialFile) -> str:
    """A few lines for a person: what, where, from where, on what terms, and whether it is there."""
    path = _path(entry.component) if entry.component else None
    lines = [f"{entry.name:<16} {_state(entry, path)}", entry.purpose + _parameters(entry)]
    lines.append(f"file:    {', '.join(entry.file_names)}")
    if path:
        lines.append(f"made of: {_origin(entry, read_provenance(path))}")
    else:
        lines.append(f"get it:  {entry.how_to_get}")
    lines += [f"from:    {entry.origin}", f"licence: {entry.licence}", f"sha256:  {_published_hash(entry)}"]
    return "\n    ".join(lines)


def problem(component: str) -> str | None:
    """Read a part fully and build its network; what is wrong with it, or None.

    Args:
        component: its path in the weights folder; it is there.
    """
    path = _path(component)
    try:
        content = _check_model(path) if path.is_dir() else _check_tracker_file(path)
        provenance = read_provenance(path)
        if provenance and content != provenance.content_sha256:
            raise ValueError("Expected the weights that were imported, received others: import them again.")
    except (ValueError, OSError) as error:
        return str(error)
    return None


def model_names() -> list[str]:
    """Names of the model folders in the weights folder that new files go into."""
    names = (index.parent.name for index in weights_folder().glob(f"*/{INDEX_NAME}"))
    return sorted(name for name in names if not name.startswith("."))  # a hidden one is still being written


def _check_model(path: Path) -> str:
    load_engine(path)
    return sha256_of_model(path)


def _check_tracker_file(path: Path) -> str:
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"Expected a whole safetensors file, received {path.stat().st_size} bytes ({error}). Import it again."
        ) from error
    if path.name in NETWORKS:
        build_network(NETWORKS[path.name], tensors, str(path))
    else:
        from ..perception.perception_files import PERCEPTION_FILES, build_perception_network

        build_perception_network(PERCEPTION_FILES[path.stem], tensors, str(path))
    return sha256_of_tensors(tensors)


def _path(component: str) -> Path | None:
    is_file = component.endswith(".safetensors")
    found = find_weights(*component.split("/"), *(() if is_file else (INDEX_NAME,)))
    return found if found is None or is_file else found.parent


def _state(entry: OfficialFile, path: Path | None) -> str:
    if not entry.component:
        return "not needed"
    return f"found    {path}" if path else "missing"


def _parameters(entry: OfficialFile) -> str:
    return f" ({entry.num_parameters / 1e6:.1f} million values)" if entry.num_parameters else ""


def _published_hash(entry: OfficialFile) -> str:
    known = " or ".join(f"{start}..." for start in entry.sha256_starts)
    return known or "published nowhere that we know; shown after the import"


def _origin(entry: OfficialFile, provenance: Provenance | None) -> str:
    if provenance is None:
        return "unknown: it carries no note"
    if not entry.sha256_starts:
        verdict = "no published hash to compare with"
    elif provenance.source_sha256.startswith(entry.sha256_starts):
        verdict = "hash ok"
    else:
        verdict = f"hash DIFFERS from the published {' or '.join(entry.sha256_starts)}"
    hashes = " + ".join(digest[:10] for digest in provenance.source_sha256.split(" + "))
    return f"{provenance.source}, sha256 {hashes}: {verdict}"
