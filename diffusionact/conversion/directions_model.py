"""The three checkpoints of "Finding Directions" -> a model folder of the engine `directions`.

Sizes are read from the weights, so other generators of the same layout (FFHQ, smaller ones) convert as well. Every key
is accounted for: the official loaders skip what is absent, which leaves noise maps or layers random without a word.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..generation.directions_folder import (
    DirectionsComponents,
    DirectionsConfig,
    check_fitting,
    save_directions,
    set_mean_latent,
)
from ..generation.face_parameters import LIMIT, PARAMETERS
from ..models import Directions, InversionEncoder, StyleGAN2
from ..weights import check_weights, some_of
from .checkpoints import read_checkpoint, state_dict_of
from .directions_names import (
    OWN_BUFFERS,
    UNUSED_ENDINGS,
    directions_names,
    generator_names,
    inversion_encoder_names,
    with_our_shape,
)

logger = logging.getLogger(__name__)

NetworkT = TypeVar("NetworkT", bound=nn.Module)

GENERATOR_PART, ENCODER_PART, MATRIX_PART = "g_ema", "e", "A_matrix"
# Top-level entries that may stand beside the wanted one and are left out, with the reason.
UNUSED_PARTS = {
    "g": "the generator before averaging",
    "d": "the discriminator",
    "g_optim": "state of the training",
    "d_optim": "state of the training",
    "args": "settings of the training",
    "opts": "settings of the training",
    "ada_aug_p": "state of the augmentation",
    "latent_avg": "an average that this method does not add",
    "step": "a figure of the training",
}
# Beside the matrix: what it was trained with, and the only value that the engine has.
MATRIX_SETTINGS: dict[str, Any] = {"learned_directions": len(PARAMETERS), "shift_scale": LIMIT, "w_plus": True}
# Read from the weights themselves; files of one's own training lack the second.
MATRIX_SIZES = ("num_layers_shift", "shift_dim")
OFFICIAL_ROWS = 8


def convert_directions(
    generator_file: Path,
    encoder_file: Path,
    matrix_file: Path,
    output: Path,
    of_named_values: Tensor,
    overwrite: bool = False,
) -> None:
    """Write a model folder; the mean latent is computed once, with a fixed seed.

    Args:
        generator_file: stylegan-voxceleb.pt, with the part `g_ema`.
        encoder_file: e4e-voxceleb.pt, with the part `e`.
        matrix_file: A_matrix.pt.
        output: the model folder.
        of_named_values: see `face_parameters`.
        overwrite: replace the model that `output` may already hold.

    Raises:
        FileExistsError: if `output` is there and not empty, without `overwrite`.
        ValueError: if a file is damaged or another one, weights are missing, unknown, not finite, or of another method,
            or the files do not fit together.
    """
    generator = read_generator(generator_file)
    components = DirectionsComponents(
        generator, read_encoder(encoder_file), read_matrix(matrix_file), of_named_values, DirectionsConfig()
    )
    check_fitting(components, f"{generator_file}, {encoder_file} and {matrix_file}")
    set_mean_latent(generator)
    save_directions(components, output, overwrite)


def read_generator(path: Path) -> StyleGAN2:
    """The averaged generator of a checkpoint in rosinality's layout."""
    state = _part(path, GENERATOR_PART)
    generator = _on_meta(path, lambda: StyleGAN2(*_generator_sizes(state)))
    names = generator_names(generator)
    noises = sorted(theirs for theirs, ours in names.items() if ours.endswith(".noise") and theirs not in state)
    if noises:
        raise ValueError(
            f"Expected a generator with its {len(generator.layers)} noise maps in {path}, received it without "
            f"{some_of(noises)}. Without them every image would have other hair and skin than the authors': take the "
            "checkpoint as it was published."
        )
    return _filled(generator, names, state, path)


def read_encoder(path: Path) -> InversionEncoder:
    """The inversion encoder of a checkpoint in e4e's layout."""
    state = _part(path, ENCODER_PART)
    encoder = _on_meta(path, lambda: InversionEncoder(*_encoder_sizes(state)))
    return _filled(encoder, inversion_encoder_names(encoder), state, path)


def read_matrix(path: Path) -> Directions:
    """The matrix A.

    Raises:
        ValueError: if it was trained for other parameters, or for one latent code instead of rows of it.
    """
    checkpoint = read_checkpoint(path)
    settings = {name: checkpoint[name] for name in MATRIX_SETTINGS if name in checkpoint}
    different = {name: value for name, value in settings.items() if value != MATRIX_SETTINGS[name]}
    if different:
        raise ValueError(
            f"Expected a matrix of the VoxCeleb model ({MATRIX_SETTINGS}) in {path}, received one with {different}. "
            "Its parameters would be taken for others; use the published A_matrix.pt."
        )
    state = state_dict_of(checkpoint, MATRIX_PART, path)
    _report_unknown_parts(checkpoint, MATRIX_PART, path, (*MATRIX_SETTINGS, *MATRIX_SIZES))
    rows = int(checkpoint.get("num_layers_shift", OFFICIAL_ROWS))
    outputs = len(state.get("linear.weight", ()))
    matrix = _on_meta(path, lambda: Directions(len(PARAMETERS), rows, outputs // rows))
    return _filled(matrix, directions_names(matrix), state, path)


def _part(path: Path, part: str) -> Mapping[str, Tensor]:
    checkpoint = read_checkpoint(path)
    state = state_dict_of(checkpoint, part, path)
    _report_unknown_parts(checkpoint, part, path)
    return state


def _report_unknown_parts(checkpoint: Mapping[str, Any], part: str, path: Path, known: Iterable[str] = ()) -> None:
    unknown = sorted(map(str, checkpoint.keys() - UNUSED_PARTS.keys() - {part, *known}))
    if unknown:
        logger.warning("Left out of %s, unknown: %s", path, ", ".join(unknown))


def _generator_sizes(state: Mapping[str, Tensor]) -> tuple[tuple[int, ...], int, int]:
    """Channels of every level, numbers of a style, layers of the mapping."""
    levels = [state["conv1.conv.weight"]]
    while f"convs.{2 * len(levels) - 2}.conv.weight" in state:
        levels.append(state[f"convs.{2 * len(levels) - 2}.conv.weight"])
    layers = sum(key.startswith("style.") and key.endswith(".weight") for key in state)
    return tuple(weight.shape[1] for weight in levels), len(state["style.1.bias"]), layers


def _encoder_sizes(state: Mapping[str, Tensor]) -> tuple[int, int, int, int]:
    """Side of the image, width, numbers of a style, rows."""
    rows = sum(key.startswith("styles.") and key.endswith(".linear.bias") for key in state)
    convolutions = sum(key.startswith("styles.0.convs.") and key.endswith(".weight") for key in state)
    width, style_dim = len(state["input_layer.0.weight"]), len(state["styles.0.linear.bias"])
    return 16 * 2**convolutions, width, style_dim, rows


def _on_meta(path: Path, make: Callable[[], NetworkT]) -> NetworkT:
    """A network without memory for its weights, whose sizes are read from a file."""
    try:
        with torch.device("meta"):
            return make()
    except (KeyError, TypeError, IndexError, ZeroDivisionError) as error:
        raise ValueError(
            f"Expected the authors' weights in {path}, received some without {error}, by which the network's size is "
            "told. Download the authors' file again."
        ) from error


def _filled(network: NetworkT, names: Mapping[str, str], state: Mapping[str, Tensor], path: Path) -> NetworkT:
    """The network with a file's weights in float32, if every key on both sides is accounted for."""
    missing = sorted(names.keys() - state.keys())
    unknown = sorted(key for key in state.keys() - names.keys() if not key.endswith(tuple(UNUSED_ENDINGS)))
    if missing or unknown:
        raise ValueError(
            f"Expected {len(names)} official weights in {path}, received {len(state)}: missing {some_of(missing)}; "
            f"unknown {some_of(unknown)}. A model without them would be random in part; download the authors' file "
            "again."
        )
    tensors = {ours: with_our_shape(ours, state[theirs]) for theirs, ours in names.items()}
    tensors = {ours: tensor.float() if tensor.is_floating_point() else tensor for ours, tensor in tensors.items()}
    expected = network.state_dict()
    tensors |= {name: torch.zeros(expected[name].shape) for name in OWN_BUFFERS if name in expected}
    check_weights(tensors, expected, str(path))
    network.load_state_dict(tensors, assign=True)
    return network.eval()
