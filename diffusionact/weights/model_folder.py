"""How a model folder is found or fetched, read and written.

A model folder holds one sub-folder a component (config.json and safetensors, as diffusers writes them) and
model_index.json. Components are built by the classes named here; module paths in model_index.json are never imported.
"""

from __future__ import annotations

import inspect
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from diffusers.schedulers.scheduling_utils import SCHEDULER_CONFIG_NAME
from diffusers.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..checks import check_choice, check_positive_int
from ..models import ReenactmentEncoder, SemanticEncoder, UNet
from ..schedulers import DDIMScheduler
from .folders import find_weights, make_weights_folder, weights_folder
from .provenance import PROVENANCE_NAME

COMPONENTS: dict[str, type[ConfigMixin]] = {
    "unet": UNet,
    "inversion_unet": UNet,
    "reenactment_encoder": ReenactmentEncoder,
    "semantic_encoder": SemanticEncoder,
    "scheduler": DDIMScheduler,
}
OPTIONAL_COMPONENTS = ("inversion_unet",)

INDEX_NAME = "model_index.json"
INDEX_SECTION = "diffusionact"
LANDMARK_FRAMES = ("crop224", "aligned")
FACE_MODELS = ("open",)

DEMO_NAME = "demo"
DEMO_FOLDER = Path(__file__).resolve().parents[1] / "demo" / "model"
# A Hub repository, and nothing else of it than what a model folder is made of.
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
HUB_PATTERNS = [INDEX_NAME, *(f"{name}/*{suffix}" for name in COMPONENTS for suffix in (".json", ".safetensors"))]


@dataclass(frozen=True)
class PipelineConfig:
    """What a pipeline must know about a model besides its networks. The defaults are the official model.

    Attributes:
        landmark_frame: where the landmark map's numbers live. "crop224": the 224 px crop of the official code, drawn as
            they are; "aligned": the aligned image itself.
        landmark_canvas: side of the canvas that the landmarks are drawn on, pixels.
        num_inference_steps: DDIM steps of decoding, unless the caller says otherwise.
        num_inversion_steps: DDIM steps of inversion, unless the caller says otherwise.
        face_model: which face model's landmarks the encoder was trained on.

    Raises:
        ValueError: if a value is none of these.
    """

    landmark_frame: str = "crop224"
    landmark_canvas: int = 256
    num_inference_steps: int = 20
    num_inversion_steps: int = 50
    face_model: str = "open"

    def __post_init__(self) -> None:
        check_choice("landmark_frame", self.landmark_frame, LANDMARK_FRAMES)
        check_choice("face_model", self.face_model, FACE_MODELS)
        for name in ("landmark_canvas", "num_inference_steps", "num_inversion_steps"):
            check_positive_int(name, getattr(self, name))


@dataclass(frozen=True)
class ModelComponents:
    """A model in memory.

    Attributes:
        unet: decodes.
        inversion_unet: finds x_T; the same object as `unet` where the decoder was not fine-tuned.
        reenactment_encoder: source and landmark map -> semantic code.
        semantic_encoder: image -> semantic code.
        scheduler: DDIM with the model's prediction type.
        config: the rest.
    """

    unet: UNet
    inversion_unet: UNet
    reenactment_encoder: ReenactmentEncoder
    semantic_encoder: SemanticEncoder
    scheduler: DDIMScheduler
    config: PipelineConfig


def resolve_model_folder(name_or_path: str | Path = DEMO_NAME, revision: str | None = None) -> Path:
    """Find the folder of a model, downloading it where `name_or_path` is a Hub repository.

    Downloads go to the Hub's own cache; HF_HOME, HF_ENDPOINT and HF_HUB_OFFLINE are respected.

    Args:
        name_or_path: "demo", a folder, the name of a model in the weights folder, or a repository id such as
            "name/model"; the first of these that is there.
        revision: branch, tag or commit of a Hub repository.

    Raises:
        FileNotFoundError: if there is no such model, or it cannot be fetched.
    """
    name, folder = str(name_or_path), Path(name_or_path)
    if name == DEMO_NAME:
        folder = DEMO_FOLDER
    elif not folder.exists():
        folder = _in_weights_folder(name) or (_fetch(name, revision) if HUB_ID.fullmatch(name) else folder)
    elif folder.is_dir() and not (folder / INDEX_NAME).is_file():
        # A folder that happens to have the model's name, such as this package's own in a checkout.
        folder = _in_weights_folder(name) or folder
    elif folder.is_file():
        raise FileNotFoundError(
            f"Expected a model folder, received the file {folder}. Give the folder that holds {INDEX_NAME}; turn the "
            "authors' checkpoints into one with `diffusionact convert`."
        )
    if not (folder / INDEX_NAME).is_file():
        raise FileNotFoundError(
            f"Expected a model folder with {INDEX_NAME}, received {folder}, which "
            f"{'holds none' if folder.is_dir() else 'does not exist'}. Give {DEMO_NAME!r}, the folder of a model, the "
            f"name of one in {weights_folder()}, or a Hub repository such as name/model."
        )
    return folder


def load_components(
    name_or_path: str | Path = DEMO_NAME,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    revision: str | None = None,
) -> ModelComponents:
    """Load a model, strictly: every weight present, of the right shape, and finite.

    Args:
        name_or_path: see `resolve_model_folder`.
        dtype: of all networks; None is float32, whatever the files hold.
        device: where the networks are put.
        revision: of a Hub repository.

    Raises:
        FileNotFoundError: if there is no such model, or a file of it is missing.
        ValueError: if a file is damaged, of another kind, does not fit, or holds NaN or infinite weights.
    """
    folder = resolve_model_folder(name_or_path, revision)
    index = _read_json(folder / INDEX_NAME)
    loaded: dict[str, Any] = {}
    for name, kind in COMPONENTS.items():
        if name in OPTIONAL_COMPONENTS and name not in index and not (folder / name).is_dir():
            continue
        if kind is DDIMScheduler:
            loaded[name] = kind.from_config(_read_config(kind, folder / name / SCHEDULER_CONFIG_NAME))
        else:
            loaded[name] = _load_network(kind, folder / name, dtype or torch.float32).to(device)
    loaded.setdefault("inversion_unet", loaded["unet"])
    return ModelComponents(**loaded, config=_read_pipeline_config(index, folder / INDEX_NAME))


def save_components(
    components: ModelComponents, folder: str | Path, dtype: torch.dtype | None = None, overwrite: bool = False
) -> None:
    """Write a model folder that `load_components` reads.

    An `inversion_unet` that is the same object as `unet` is not written twice.

    Args:
        components: what to save.
        folder: where; its parents are made.
        dtype: of the weights in the files; None keeps theirs.
        overwrite: replace the model that `folder` may already hold. Other files there stay.

    Raises:
        FileExistsError: if `folder` is there and not empty, without `overwrite`.
    """
    networks = {name: getattr(components, name) for name in COMPONENTS if name != "scheduler"}
    if components.inversion_unet is components.unet:
        del networks["inversion_unet"]
    with model_folder_writer(folder, overwrite) as temporary:
        for name, network in networks.items():
            state = network.state_dict()
            write_network(network, {key: value.to(dtype=dtype) for key, value in state.items()}, temporary / name)
        write_index(temporary, networks, components.scheduler, components.config)


@contextmanager
def model_folder_writer(folder: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder to write a model into, and move it to its place if all went well.

    Raises:
        FileExistsError: if `folder` is there and not empty, without `overwrite`.
    """
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not overwrite):
        raise FileExistsError(
            f"Expected a new or empty folder to write a model into, received {folder}, which is taken. "
            "Choose another folder, or remove this one first."
        )
    make_weights_folder(folder.parent)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        yield temporary
        folder.mkdir(exist_ok=True)
        (folder / INDEX_NAME).unlink(missing_ok=True)
        for name in (*COMPONENTS, PROVENANCE_NAME, INDEX_NAME):  # the index comes last: with an index, all is there
            _replace(temporary / name, folder / name)
    finally:
        shutil.rmtree(temporary)


def write_network(network: ModelMixin, state: Mapping[str, Tensor], folder: Path) -> None:
    """Write a network's config, and `state` as its weights; the network itself may be on the meta device.

    Raises:
        OSError: if the disk is full or refuses.
    """
    network.save_config(folder)
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    try:
        save_file(contiguous, folder / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})
    except SafetensorError as error:
        megabytes = sum(tensor.nbytes for tensor in contiguous.values()) / 2**20
        raise OSError(
            f"Expected to write {megabytes:.0f} MiB of weights into {folder}, received: {error}. "
            "Free some space, or choose another folder."
        ) from error
    # safetensors makes files that only their owner can read.
    shutil.copymode(folder / CONFIG_NAME, folder / SAFETENSORS_WEIGHTS_NAME)


def write_index(
    folder: Path, networks: Mapping[str, ModelMixin], scheduler: DDIMScheduler, config: PipelineConfig
) -> None:
    """Write the scheduler's config and model_index.json, laid out as diffusers does it."""
    scheduler.save_config(folder / "scheduler")
    index: dict[str, Any] = {"_class_name": "DiffusionActPipeline", "_diffusers_version": diffusers.__version__}
    for name in (*networks, "scheduler"):
        index[name] = [INDEX_SECTION, COMPONENTS[name].__name__]
    index[INDEX_SECTION] = asdict(config)
    (folder / INDEX_NAME).write_text(json.dumps(index, indent=2) + "\n")


def on_meta(kind: type[ConfigMixin], config: Mapping[str, Any] | None = None) -> Any:
    """Build a network without memory for its weights; the default config is the official network."""
    with torch.device("meta"):
        return kind.from_config(dict(config or {}))


def check_weights(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], origin: str) -> None:
    """Raise ValueError unless `state` has exactly the names and shapes of `expected`, with finite values.

    Args:
        state: name -> weight.
        expected: name -> tensor of the right shape, may be on the meta device.
        origin: where `state` came from, for the message.
    """
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or unknown:
        raise ValueError(
            f"Expected the {len(expected)} weights of this network in {origin}, received {len(state)}: missing "
            f"{some_of(missing)}; unknown {some_of(unknown)}. The file belongs to another network or config; fetch the "
            "model again."
        )
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            raise ValueError(
                f"Expected {name} with shape {tuple(expected[name].shape)}, received {tuple(tensor.shape)} "
                f"in {origin}. The file belongs to another config; fetch the model again."
            )
        if not torch.isfinite(tensor).all():
            raise ValueError(
                f"Expected finite weights, received NaN or infinite values in {name} of {origin}. The file is damaged "
                "or its training diverged; fetch it again or take an earlier one."
            )


def _load_network(kind: type[ModelMixin], folder: Path, dtype: torch.dtype) -> ModelMixin:
    network = on_meta(kind, _read_config(kind, folder / CONFIG_NAME))
    path = _existing(folder / SAFETENSORS_WEIGHTS_NAME)
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"Expected a safetensors file, received {path} ({path.stat().st_size} bytes: {error}). The file is damaged "
            "or not downloaded completely; fetch it again."
        ) from error
    check_weights(state, network.state_dict(), str(path))
    # Copies, so that the network does not hang on the file, which may be replaced.
    network.load_state_dict({name: tensor.to(dtype, copy=True) for name, tensor in state.items()}, assign=True)
    return network.eval()


def _read_config(kind: type[ConfigMixin], path: Path) -> dict[str, Any]:
    """Read a component's config.json and check that it is this component's, with no unknown argument."""
    config = _read_json(path)
    if config.get("_class_name") != kind.__name__:
        raise ValueError(
            f"Expected the config of a {kind.__name__} in {path}, received one of {config.get('_class_name')!r}. "
            "Give the folder of a DiffusionAct model."
        )
    arguments = {name: value for name, value in config.items() if not name.startswith("_")}
    unknown = sorted(arguments.keys() - inspect.signature(kind.__init__).parameters.keys())
    if unknown:
        raise ValueError(
            f"Expected only arguments of {kind.__name__} in {path}, received also {some_of(unknown)}. The model was "
            "made for another version; update this package, or fetch another revision of the model."
        )
    return arguments


def _read_pipeline_config(index: Mapping[str, Any], path: Path) -> PipelineConfig:
    section = index.get(INDEX_SECTION)
    known = {field.name for field in fields(PipelineConfig)}
    if not isinstance(section, dict) or section.keys() - known:
        raise ValueError(
            f"Expected a section {INDEX_SECTION!r} with some of {sorted(known)} in {path}, received {section!r}. "
            "Give the folder of a DiffusionAct model, made for this version of the package."
        )
    return PipelineConfig(**section)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_existing(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"Expected JSON, received {path} ({error}). The file is damaged; fetch it again.") from error
    if not isinstance(content, dict):
        raise ValueError(f"Expected a JSON object, received {path} with a {type(content).__name__}. Fetch it again.")
    return content


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected the file {path.parent.name}/{path.name} of a model, received {path.parent.parent} without it. "
            "The folder is incomplete or of another kind of model; fetch the model again."
        )
    return path


def _in_weights_folder(name: str) -> Path | None:
    """The model of that name there; a name that leaves the folder is not looked for."""
    is_inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    index = find_weights(name, INDEX_NAME) if is_inside else None
    return index.parent if index else None


def _fetch(repository: str, revision: str | None) -> Path:
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=HUB_PATTERNS))
    except (HFValidationError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise FileNotFoundError(
            f"Expected a model folder or Hub repository, received {repository!r}, which is no folder here and could "
            f"not be fetched from the Hub ({type(error).__name__}: {reason}). Check the name and the connection, or "
            "download the model elsewhere and give its folder."
        ) from error


def _replace(new: Path, old: Path) -> None:
    """Put `new` in the place of `old`; where there is no `new`, `old` is stale and goes."""
    if old.is_dir():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)
    if new.exists():
        new.rename(old)


def some_of(names: list[str]) -> str:
    """The first few names of a list, in words."""
    if not names:
        return "none"
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
