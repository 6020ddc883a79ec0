"""The model folder of the engine `directions`: three networks, a table, and settings; read strictly and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.models.modeling_utils import ModelMixin
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..checks import check_in_range
from ..models import Directions, InversionEncoder, StyleGAN2
from ..weights.model_folder import INDEX_NAME, INDEX_SECTION, check_weights, existing_file, model_folder_writer, some_of
from .components import load_network, write_network
from .engine_names import DIRECTIONS
from .face_parameters import PARAMETERS, jaw_alone

NETWORKS: dict[str, type[ModelMixin]] = {
    "generator": StyleGAN2,
    "inversion_encoder": InversionEncoder,
    "directions": Directions,
}
# Beside the matrix that its values are for.
TABLE_FILE = Path("directions") / "named_values.safetensors"
TABLE_NAME = "of_named_values"


@dataclass(frozen=True)
class DirectionsConfig:
    """Settings of a model folder. The default is the official code's.

    Attributes:
        truncation: in [0, 1], how much of a latent code's distance from the mean is kept.

    Raises:
        ValueError: if it is outside.
    """

    truncation: float = 0.7

    def __post_init__(self) -> None:
        check_in_range("truncation", self.truncation, 0.0, 1.0)


@dataclass(frozen=True)
class DirectionsComponents:
    """A model in memory.

    Attributes:
        generator: latent code -> image; holds the mean latent.
        inversion_encoder: image -> latent code.
        directions: change of the face -> change of the latent code.
        of_named_values: (52, 12) what the open face model's values mean, see `face_parameters`.
        config: the rest.
    """

    generator: StyleGAN2
    inversion_encoder: InversionEncoder
    directions: Directions
    of_named_values: Tensor
    config: DirectionsConfig


def load_directions(folder: Path, index: Mapping[str, Any]) -> DirectionsComponents:
    """Read a model folder, on the CPU in float32.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged, of another network, or a setting is unknown; or the networks do not fit
            together.
    """
    networks = {name: load_network(kind, folder / name) for name, kind in NETWORKS.items()}
    table = load_file(existing_file(folder / TABLE_FILE))
    check_weights(table, {TABLE_NAME: jaw_alone()}, str(folder / TABLE_FILE))
    config = _read_config(index[INDEX_SECTION], folder / INDEX_NAME)
    components = DirectionsComponents(**networks, of_named_values=table[TABLE_NAME], config=config)
    check_fitting(components, str(folder))
    return components


def save_directions(components: DirectionsComponents, folder: str | Path, overwrite: bool = False) -> None:
    """Write a model folder that `load_directions` reads.

    Args:
        components: what to save.
        folder: where; its parents are made.
        overwrite: replace the model that `folder` may already hold.

    Raises:
        FileExistsError: if `folder` is there and not empty, without `overwrite`.
    """
    with model_folder_writer(folder, overwrite, NETWORKS) as temporary:
        for name in NETWORKS:
            network = getattr(components, name)
            write_network(network, network.state_dict(), temporary / name)
        write_table_and_index(temporary, components)


def write_table_and_index(folder: Path, components: DirectionsComponents) -> None:
    """Write what a model folder holds beside its networks, whose sub-folders are there."""
    save_file({TABLE_NAME: components.of_named_values.detach().cpu().contiguous()}, folder / TABLE_FILE)
    index: dict[str, Any] = {"_class_name": "DiffusionActPipeline", "_diffusers_version": diffusers.__version__}
    index |= {name: [INDEX_SECTION, kind.__name__] for name, kind in NETWORKS.items()}
    index[INDEX_SECTION] = {"engine": DIRECTIONS, **asdict(components.config)}
    (folder / INDEX_NAME).write_text(json.dumps(index, indent=2) + "\n")


def check_fitting(components: DirectionsComponents, origin: str) -> None:
    """Raise ValueError unless the three networks speak of the same latent codes and images.

    Args:
        components: of one model.
        origin: where they come from, for the message.
    """
    generator, encoder, directions = components.generator, components.inversion_encoder, components.directions
    expected = (generator.sample_size, generator.num_rows, generator.config.style_dim)
    received = (encoder.config.sample_size, encoder.config.num_rows, encoder.config.style_dim)
    sizes = directions.config
    fits = sizes.style_dim == expected[2] and sizes.num_rows <= expected[1] and sizes.num_directions == len(PARAMETERS)
    if expected != received or not fits:
        raise ValueError(
            f"Expected an inversion encoder and {len(PARAMETERS)} directions for images of {expected[0]} px and codes "
            f"of {expected[1]} x {expected[2]} in {origin}, received an encoder for {received[0]} px and {received[1]} "
            f"x {received[2]}, and {sizes.num_directions} directions for {sizes.num_rows} x {sizes.style_dim}. Use "
            "files of one model."
        )


@torch.no_grad()
def set_mean_latent(generator: StyleGAN2) -> None:
    """Compute the mean latent once, from many samples with a fixed seed, and keep it among the weights."""
    generator.mean_latent.copy_(generator.sampled_mean_latent())


def _read_config(section: Mapping[str, Any], path: Path) -> DirectionsConfig:
    settings = {name: value for name, value in section.items() if name != "engine"}
    unknown = sorted(settings.keys() - {field.name for field in fields(DirectionsConfig)})
    if unknown:
        raise ValueError(
            f"Expected a section {INDEX_SECTION!r} with truncation in {path}, received also "
            f"{some_of(unknown)}. The model was made for another version; update this package."
        )
    return DirectionsConfig(**settings)
