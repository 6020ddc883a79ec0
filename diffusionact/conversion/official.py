"""The authors' checkpoints -> a model folder.

`diffusionact_model.pt` alone makes the whole model. `last.ckpt` of the diffusion autoencoder is only compared with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..generation import COMPONENTS, PipelineConfig, on_meta, write_index, write_network
from ..schedulers import DDIMScheduler
from ..weights import check_weights, model_folder_writer, some_of
from .checkpoints import read_checkpoint, state_dict_of
from .official_names import reenactment_encoder_names, semantic_encoder_names, unet_names, with_our_shape

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Origin:
    """Where a component's weights stand in the authors' checkpoint.

    Attributes:
        part: top-level entry.
        prefix: of all its keys.
        names: makes the rename table, official key without prefix -> our key.
    """

    part: str
    prefix: str
    names: Callable[[Any], dict[str, str]]


ORIGINS = {
    "unet": Origin("state_dict_diff", "model.", unet_names),
    "inversion_unet": Origin("state_dict_diff", "ema_model.", unet_names),
    "semantic_encoder": Origin("state_dict_diff", "ema_model.encoder.", semantic_encoder_names),
    "reenactment_encoder": Origin("state_dict_net", "", reenactment_encoder_names),
}
# Beginnings of keys that may be there and are left out, with the reason.
UNUSED_KEYS = {
    "x_T": "noise images for previews during training",
    "model.encoder.": "the fine-tuned UNet's own copy of the semantic encoder; the code is always given to it",
}
UNUSED_PARTS = {
    "best_val_loss": "a figure of the training",
    "global_noise": "loaded by the official code, then unused",
}


def convert_official(
    diffusionact_checkpoint: Path,
    output: Path,
    diffae_checkpoint: Path | None = None,
    progress: bool = True,
    overwrite: bool = False,
) -> None:
    """Convert the authors' checkpoint into a model folder.

    Args:
        diffusionact_checkpoint: `diffusionact_model.pt`.
        output: the new model folder.
        diffae_checkpoint: `last.ckpt` of `ffhq256_autoenc`; if given, its EMA weights must equal those inside the
            first checkpoint.
        progress: show a bar.
        overwrite: replace the model that `output` may already hold.

    Raises:
        FileNotFoundError: if a checkpoint is missing.
        FileExistsError: if `output` is taken.
        ValueError: if a checkpoint is not the official one: weights missing, unknown, of another shape, not finite, or
            different from `diffae_checkpoint`.
    """
    path = Path(diffusionact_checkpoint)
    with model_folder_writer(output, overwrite) as folder:
        checkpoint = read_checkpoint(path)
        _report_unknown_parts(checkpoint, path)
        parts = {origin.part for origin in ORIGINS.values()}
        states = {part: state_dict_of(checkpoint, part, path) for part in sorted(parts)}
        if diffae_checkpoint is not None:
            compare_with_diffae(states["state_dict_diff"], path, Path(diffae_checkpoint))
        networks = official_networks()
        tables = {name: rename_table(name, network) for name, network in networks.items()}
        for part, state in states.items():
            expected = [key for name in ORIGINS if ORIGINS[name].part == part for key in tables[name]]
            check_every_key(state, expected, f"{part} of {path}")
        for name in tqdm(ORIGINS, desc="Convert", unit="network", disable=not progress):
            state = rename(states[ORIGINS[name].part], tables[name])
            _check_finite_and_fitting(state, tables[name], networks[name], path)
            write_network(networks[name], state, folder / name)
        write_index(folder, networks, DDIMScheduler(), PipelineConfig())


def official_networks() -> dict[str, Any]:
    """The components that have weights, at the official size, without memory for them."""
    return {name: on_meta(COMPONENTS[name]) for name in ORIGINS}


def rename_table(name: str, network: torch.nn.Module) -> dict[str, str]:
    """Official key, with prefix -> our key, for one component."""
    origin = ORIGINS[name]
    return {origin.prefix + official: ours for official, ours in origin.names(network).items()}


def rename(state: Mapping[str, Tensor], table: Mapping[str, str]) -> dict[str, Tensor]:
    """Old state dict -> new state dict in float32; keys that are not in the table are left out."""
    return {ours: with_our_shape(official, state[official]).float() for official, ours in table.items()}


def check_every_key(state: Mapping[str, Tensor], expected: Iterable[str], origin: str) -> None:
    """Raise ValueError unless every expected key is there, and every other one is known to be unused."""
    expected = set(expected)
    missing = sorted(expected - state.keys())
    unknown = sorted(key for key in state.keys() - expected if not key.startswith(tuple(UNUSED_KEYS)))
    if missing or unknown:
        raise ValueError(
            f"Expected {len(expected)} official weights in {origin}, received {len(state)}: missing "
            f"{some_of(missing)}; unknown {some_of(unknown)}. A model without them would be random in part; download "
            "the authors' file again."
        )


def compare_with_diffae(state: Mapping[str, Tensor], path: Path, diffae_checkpoint: Path) -> None:
    """Raise ValueError unless the EMA weights of `state` are those of the diffusion autoencoder's checkpoint."""
    other = state_dict_of(read_checkpoint(diffae_checkpoint), "state_dict", diffae_checkpoint)
    keys = sorted(key for key in state.keys() | other.keys() if key.startswith("ema_model."))
    different = [key for key in keys if key not in state or key not in other or not torch.equal(state[key], other[key])]
    if different:
        raise ValueError(
            f"Expected the ema_model weights of {path} to equal those of {diffae_checkpoint}, received "
            f"{len(different)} of {len(keys)} different: {some_of(different)}. Choose the ffhq256_autoenc checkpoint, "
            "or convert without --diffae: the model does not need it."
        )
    logger.info("All %d ema_model weights equal those of %s", len(keys), diffae_checkpoint)


def _check_finite_and_fitting(
    state: Mapping[str, Tensor], table: Mapping[str, str], network: torch.nn.Module, path: Path
) -> None:
    """Check under the official names, which are those that a reader finds in the file."""
    expected = network.state_dict()
    check_weights(
        {official: state[ours] for official, ours in table.items()},
        {official: expected[ours] for official, ours in table.items()},
        str(path),
    )


def _report_unknown_parts(checkpoint: Mapping[str, Any], path: Path) -> None:
    known = {origin.part for origin in ORIGINS.values()} | UNUSED_PARTS.keys()
    unknown = sorted(map(str, checkpoint.keys() - known))
    if unknown:
        logger.warning("Left out of %s, unknown: %s", path, ", ".join(unknown))
