"""How each part of the weights folder is made from recognised files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from ..face.readers.emoca import build_network
from ..generation.face_parameters import jaw_alone, named_by_flame
from ..perception.perception_files import PERCEPTION_FILES, build_perception_network, read_tensors
from ..weights import INDEX_NAME, OfficialFile, catalogue_entry
from ..weights.provenance import (
    Provenance,
    read_provenance,
    sha256_of_file,
    write_model_provenance,
    write_tracker_file,
)
from .archives import FoundFile
from .array_pickles import read_arrays
from .candidates import check_expression_width, emoca_settings
from .checkpoints import read_checkpoint, state_dict_of
from .directions_model import convert_directions
from .face_network_names import face_network_state
from .flame_head import CHECKPOINT_BUFFERS, CHECKPOINT_PREFIX, flame_from_checkpoint, flame_from_files
from .official import convert_official
from .published_networks import read_network_file, used_tensors

# Entry of the catalogue -> attribute of EmocaNetworks or DecaNetworks, and where the state dict stands in the file; ""
# is all of it.
NETWORKS = {
    "s3fd": ("detector", ""),
    "fan": ("landmark_net", ""),
    "gaze": ("gaze_net", "model_state"),
    "emoca": ("encoders", "state_dict"),
    "deca": ("deca_encoder", "E_flame"),
}
# Files of the model `directions`, as `convert_directions` takes them.
DIRECTIONS_FILES = ("stylegan-voxceleb", "e4e-voxceleb", "directions")
LAST_EXPRESSION_LAYER = "expression.out.weight"


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Attributes:
        shown: the file, as the person knows it.
        what: its name in the catalogue; "unknown" where it is none of the authors' files.
        result: what became of it, for people.
        status: "imported", "kept" (made before), "left" (of no use), or "failed".
    """

    shown: str
    what: str
    result: str
    status: str


@dataclass(frozen=True)
class ImportDestination:
    """Where to, and how: the weights folder, whether to replace what is there, whether to show bars."""

    folder: Path
    overwrite: bool
    progress: bool

    def path(self, entry: OfficialFile) -> Path:
        """Of what the file becomes."""
        return self.folder / entry.component

    def is_taken(self, entry: OfficialFile) -> bool:
        """Whether it is there already and may not be replaced."""
        path = self.path(entry)
        return not self.overwrite and (path if path.suffix else path / INDEX_NAME).is_file()


@dataclass(frozen=True)
class Step:
    """One part of the weights folder.

    Attributes:
        name: in the catalogue.
        sources: names of the files that it may be made from; any of them starts it.
        run: makes it of those that were found; an empty `shown` in its outcomes stands for all of them.
    """

    name: str
    sources: tuple[str, ...]
    run: Callable[[ImportDestination, Mapping[str, FoundFile]], list[Outcome]]


def import_model(destination: ImportDestination, files: Mapping[str, FoundFile]) -> list[Outcome]:
    """diffusionact_model.pt becomes a model folder."""
    entry, file = catalogue_entry("diffusionact"), files["diffusionact"]
    if destination.is_taken(entry):
        return [_kept(entry, destination)]
    folder = destination.path(entry)
    convert_official(file.path, folder, progress=destination.progress, overwrite=True)
    provenance = Provenance(file.path.name, sha256_of_file(file.path), entry.licence)
    write_model_provenance(folder, provenance)
    return [_imported(entry, provenance, destination)]


def import_directions(destination: ImportDestination, files: Mapping[str, FoundFile]) -> list[Outcome]:
    """Generator, inversion encoder and matrix become a model folder together."""
    entry = catalogue_entry("directions")
    if destination.is_taken(entry):
        return [_kept(entry, destination)]
    missing = [catalogue_entry(name) for name in DIRECTIONS_FILES if name not in files]
    if missing:
        raise ValueError(
            f"Expected {', '.join(other.file_names[0] for other in missing)} in the same import, as three files make "
            f"the model; received {len(files)} of them. To get the rest: {missing[0].how_to_get}."
        )
    sources = [files[name] for name in DIRECTIONS_FILES]
    table, note = _named_values(destination.folder)
    convert_directions(*(file.path for file in sources), destination.path(entry), table, overwrite=True)
    provenance = _provenance_of_several(sources, DIRECTIONS_FILES)
    write_model_provenance(destination.path(entry), provenance)
    return [_imported(entry, provenance, destination, note)]


def import_network(name: str) -> Callable[[ImportDestination, Mapping[str, FoundFile]], list[Outcome]]:
    """The step of a file that becomes one network of the face reader."""

    def run(destination: ImportDestination, files: Mapping[str, FoundFile]) -> list[Outcome]:
        entry, file = catalogue_entry(name), files[name]
        if destination.is_taken(entry):
            return [_kept(entry, destination)]
        network, _ = NETWORKS[name]
        tensors = face_network_state(network, _official_state(name, file), file.shown)
        build_network(network, tensors, file.shown)
        note = _compare_with_settings(tensors, file) if name == "emoca" else ""
        provenance = Provenance(file.path.name, sha256_of_file(file.path), entry.licence)
        write_tracker_file(destination.path(entry), tensors, provenance)
        return [_imported(entry, provenance, destination, note)]

    return run


def import_perception(name: str) -> Callable[[ImportDestination, Mapping[str, FoundFile]], list[Outcome]]:
    """The step of a file that becomes one network behind losses and metrics."""

    def run(destination: ImportDestination, files: Mapping[str, FoundFile]) -> list[Outcome]:
        entry, file = catalogue_entry(name), files[name]
        if destination.is_taken(entry):
            return [_kept(entry, destination)]
        known = PERCEPTION_FILES[name]
        state = read_tensors(known, file.path, read_network_file)
        tensors = used_tensors(known, state, build_perception_network(known, state, file.shown))
        provenance = Provenance(file.path.name, sha256_of_file(file.path), entry.licence)
        write_tracker_file(destination.path(entry), tensors, provenance)
        return [_imported(entry, provenance, destination)]

    return run


def import_flame(destination: ImportDestination, files: Mapping[str, FoundFile]) -> list[Outcome]:
    """The head. Buffers inside EMOCA's checkpoint win, as in the official code; else FLAME's own files make it."""
    state = _official_state("emoca", files["emoca"]) if "emoca" in files else {}
    if all(CHECKPOINT_PREFIX + name in state for name in CHECKPOINT_BUFFERS):
        return _import_head_of_emoca(destination, files, state)
    entry = catalogue_entry("flame")
    missing = [catalogue_entry(name) for name in ("flame", "flame-landmarks") if name not in files]
    if len(missing) == 2:
        is_there = destination.path(entry).is_file()
        return [] if is_there else [Outcome("", "flame", f"this checkpoint holds no head; {entry.how_to_get}", "left")]
    if destination.is_taken(entry):
        return [_kept(entry, destination)]
    if missing:
        raise ValueError(
            f"Expected {missing[0].file_names[0]} in the same import, as two files make the head; received one of "
            f"them. To get the other: {missing[0].how_to_get}."
        )
    sources = [files["flame"], files["flame-landmarks"]]
    tensors = flame_from_files(*(read_arrays(file.path) for file in sources))
    return [_write_head(destination, tensors, sources, ("flame", "flame-landmarks"))]


STEPS: tuple[Step, ...] = (
    Step("diffusionact", ("diffusionact",), import_model),
    *(Step(name, (name,), import_network(name)) for name in NETWORKS),
    *(Step(name, (name,), import_perception(name)) for name in PERCEPTION_FILES),
    Step("flame", ("emoca", "flame", "flame-landmarks"), import_flame),
    # Behind the head, which it looks at.
    Step("directions", DIRECTIONS_FILES, import_directions),
)


def _import_head_of_emoca(
    destination: ImportDestination, files: Mapping[str, FoundFile], state: Mapping[str, Tensor]
) -> list[Outcome]:
    entry, file = catalogue_entry("flame"), files["emoca"]
    provenance = read_provenance(destination.path(entry))
    is_of_flames_files = provenance is not None and " + " in provenance.source
    if destination.is_taken(entry) and not is_of_flames_files:
        outcome = _kept(entry, destination)
    else:
        outcome = _write_head(destination, flame_from_checkpoint(state, file.shown), [file], ("emoca", "flame"))
    outcome = replace(outcome, shown=file.shown)
    others = [other for name, other in files.items() if name != "emoca"]
    reason = "not needed: EMOCA's checkpoint brought the head, and wins in the official code too"
    return [outcome, *(Outcome(other.shown, "flame", reason, "left") for other in others)]


def _write_head(
    destination: ImportDestination, tensors: Mapping[str, Tensor], sources: Sequence[FoundFile], terms: Sequence[str]
) -> Outcome:
    entry = catalogue_entry("flame")
    build_network("flame", tensors, sources[0].shown)
    provenance = _provenance_of_several(sources, terms)
    write_tracker_file(destination.path(entry), tensors, provenance)
    return _imported(entry, provenance, destination)


def _provenance_of_several(sources: Sequence[FoundFile], terms: Sequence[str]) -> Provenance:
    return Provenance(
        " + ".join(file.path.name for file in sources),
        " + ".join(sha256_of_file(file.path) for file in sources),
        "; ".join(dict.fromkeys(catalogue_entry(name).licence for name in terms)),
    )


def _named_values(weights: Path) -> tuple[Tensor, str]:
    """What the open face reader's values mean for the directions: by FLAME, where it was imported; and a note."""
    path = weights / catalogue_entry("flame").component
    if not path.is_file():
        return jaw_alone(), "without FLAME's files the face reader 'open' moves head and jaw only"
    flame = build_network("flame", load_file(path), str(path))
    return named_by_flame(flame), "the face reader 'open' moves expressions too, by least squares on FLAME"


def _official_state(name: str, file: FoundFile) -> Mapping[str, Tensor]:
    checkpoint, part = read_checkpoint(file.path), NETWORKS[name][1]
    return state_dict_of(checkpoint if part else {part: checkpoint}, part, file.path)


def _compare_with_settings(tensors: Mapping[str, Tensor], file: FoundFile) -> str:
    width, settings = len(tensors[LAST_EXPRESSION_LAYER]), emoca_settings(file.path)
    if settings is None:
        return f"{width} numbers of expression by the weights; no cfg.yaml to compare with"
    return check_expression_width(width, settings)


def _kept(entry: OfficialFile, destination: ImportDestination) -> Outcome:
    return Outcome("", entry.name, f"there already: {destination.path(entry)}; --overwrite replaces it", "kept")


def _imported(entry: OfficialFile, provenance: Provenance, destination: ImportDestination, note: str = "") -> Outcome:
    notes = [f"written to {destination.path(entry)}", note]
    if entry.sha256_starts and not provenance.source_sha256.startswith(entry.sha256_starts):
        published = " or ".join(entry.sha256_starts)
        notes.append(
            f"not the published file, whose sha256 begins with {published}: this one's begins with "
            f"{provenance.source_sha256[:10]}"
        )
    return Outcome("", entry.name, "; ".join(filter(None, notes)), "imported")
