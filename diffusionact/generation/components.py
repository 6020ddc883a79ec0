"""The diffusion engine's components in a model folder: networks, scheduler and settings, read strictly and written.

Components are built by the classes named here; module paths in model_index.json are never imported.
"""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from diffusers.schedulers.scheduling_utils import SCHEDULER_CONFIG_NAME
from diffusers.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..checks import check_choice, check_positive_int
from ..face.pose.extraction import LANDMARK_FRAMES
from ..models import ReenactmentEncoder, SemanticEncoder, UNet
from ..schedulers import DDIMScheduler
from ..weights.model_folder import (
    DEMO_NAME,
    INDEX_NAME,
    INDEX_SECTION,
    check_weights,
    existing_file,
    model_folder_writer,
    read_index,
    read_json,
    resolve_model_folder,
    some_of,
)
from .engine_names import DIFFUSION
from .sampling import DEFAULT_PRESETS, Sampling, presets_from_json, presets_to_json

COMPONENTS: dict[str, type[ConfigMixin]] = {
    "unet": UNet,
    "inversion_unet": UNet,
    "distilled_unet": UNet,
    "reenactment_encoder": ReenactmentEncoder,
    "semantic_encoder": SemanticEncoder,
    "scheduler": DDIMScheduler,
}
OPTIONAL_COMPONENTS = ("inversion_unet", "distilled_unet")
# Written by earlier versions; every model's landmarks were those of the open face model.
FORGOTTEN_SETTINGS = {"face_model"}

# At most so many layers are made: a damaged number would make them for hours.
COUNTS = {"layers_per_block": 64, "block_out_channels": 64, "norm_groups": 4096, "num_train_timesteps": 1_000_000}
# What a network's constructor raises at arguments of another kind or size.
CONSTRUCTION_ERRORS = (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError)


@dataclass(frozen=True)
class PipelineConfig:
    """What the diffusion engine must know about a model besides its networks. The defaults are the official model.

    Attributes:
        landmark_frame: where the landmark map's numbers live. "crop224": the 224 px crop of the official code, drawn as
            they are; "aligned": the aligned image itself.
        landmark_canvas: side of the canvas that the landmarks are drawn on, pixels.
        num_inference_steps: DDIM steps of decoding, unless the caller says otherwise.
        num_inversion_steps: DDIM steps of inversion, unless the caller says otherwise.
        presets: name -> how frames are sampled under it.

    Raises:
        ValueError: if a value is none of these.
    """

    landmark_frame: str = "crop224"
    landmark_canvas: int = 256
    num_inference_steps: int = 20
    num_inversion_steps: int = 50
    presets: Mapping[str, Sampling] = field(default_factory=lambda: dict(DEFAULT_PRESETS), hash=False)

    def __post_init__(self) -> None:
        check_choice("landmark_frame", self.landmark_frame, LANDMARK_FRAMES)
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
        distilled_unet: decodes in few steps, for the scheduler "distilled"; None in models without one.
    """

    unet: UNet
    inversion_unet: UNet
    reenactment_encoder: ReenactmentEncoder
    semantic_encoder: SemanticEncoder
    scheduler: DDIMScheduler
    config: PipelineConfig
    distilled_unet: UNet | None = None

    def networks(self) -> dict[str, ModelMixin]:
        """What a model folder holds beside the scheduler, by folder; a UNet that does both is not named twice."""
        networks = {name: getattr(self, name) for name in COMPONENTS if name != "scheduler"}
        if self.inversion_unet is self.unet:
            del networks["inversion_unet"]
        return {name: network for name, network in networks.items() if network is not None}


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
    index = read_index(folder)
    loaded: dict[str, Any] = {}
    for name, kind in COMPONENTS.items():
        if name in OPTIONAL_COMPONENTS and name not in index and not (folder / name).is_dir():
            continue
        if kind is DDIMScheduler:
            loaded[name] = _made_from(kind, folder / name / SCHEDULER_CONFIG_NAME)
        else:
            loaded[name] = load_network(kind, folder / name, dtype or torch.float32).to(device)
    loaded.setdefault("inversion_unet", loaded["unet"])
    return ModelComponents(**loaded, config=_read_pipeline_config(index[INDEX_SECTION], folder / INDEX_NAME))


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
    networks = components.networks()
    with model_folder_writer(folder, overwrite, COMPONENTS) as temporary:
        for name, network in networks.items():
            state = network.state_dict()
            write_network(network, {key: value.to(dtype=dtype) for key, value in state.items()}, temporary / name)
        write_index(temporary, networks, components.scheduler, components.config)


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
    settings = {item.name: getattr(config, item.name) for item in fields(config)}
    index[INDEX_SECTION] = {"engine": DIFFUSION, **settings, "presets": presets_to_json(config.presets)}
    (folder / INDEX_NAME).write_text(json.dumps(index, indent=2) + "\n")


def on_meta(kind: type[ConfigMixin], config: Mapping[str, Any] | None = None) -> Any:
    """Build a network without memory for its weights; the default config is the official network."""
    with torch.device("meta"):
        return kind.from_config(dict(config or {}))


def load_network(kind: type[ModelMixin], folder: Path, dtype: torch.dtype = torch.float32) -> ModelMixin:
    """One network of a model folder, strictly, on the CPU and in evaluation mode.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged, or of another network.
    """
    network = _made_from(kind, folder / CONFIG_NAME)
    path = existing_file(folder / SAFETENSORS_WEIGHTS_NAME)
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


def _made_from(kind: type[ConfigMixin], path: Path) -> Any:
    """A component of the arguments in its config.json, without memory for its weights; values may be of any kind."""
    config = _read_config(kind, path)
    for name in config.keys() & COUNTS.keys():
        count = len(config[name]) if isinstance(config[name], (list, tuple)) else config[name]
        if not isinstance(count, int) or not 1 <= count <= COUNTS[name]:
            raise ValueError(
                f"Expected {name} from 1 to {COUNTS[name]} in {path}, received {count!r}. The file is damaged; fetch "
                "the model again."
            )
    try:
        return kind.from_config(config) if kind is DDIMScheduler else on_meta(kind, config)
    except CONSTRUCTION_ERRORS as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"Expected values that a {kind.__name__} can be made with in {path}, received others ({reason}). The file "
            "is damaged; fetch the model again."
        ) from error


def _read_config(kind: type[ConfigMixin], path: Path) -> dict[str, Any]:
    """Read a component's config.json and check that it is this component's, with no unknown argument."""
    config = read_json(path)
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


def _read_pipeline_config(section: Mapping[str, Any], path: Path) -> PipelineConfig:
    known = {item.name for item in fields(PipelineConfig)}
    unknown = sorted(section.keys() - known - FORGOTTEN_SETTINGS - {"engine"})
    if unknown:
        raise ValueError(
            f"Expected a section {INDEX_SECTION!r} with some of {sorted(known)} in {path}, received also "
            f"{some_of(unknown)}. Give the folder of a DiffusionAct model, made for this version of the package."
        )
    settings = {name: value for name, value in section.items() if name in known}
    if "presets" in settings:
        settings["presets"] = presets_from_json(settings["presets"], path)
    return PipelineConfig(**settings)
