"""The authors' files of "Finding Directions" in their own layout, filled by the rule of `directions_rule`.

    python tests/directions_files.py --output FOLDER [--tiny]

makes stand-ins for files that may not be passed on: 1.0 GB at full size. An image made with them is a pattern.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from directions_rule import official_value
from official_files import FULL, TINY, official_layout
from tiny_directions import DIRECTIONS, ENCODER, GENERATOR
from torch import Tensor, nn

from diffusionact.conversion.directions_names import directions_names, generator_names, inversion_encoder_names
from diffusionact.face.readers.emoca.coefficient_encoders import DecaEncoder
from diffusionact.models import Directions, InversionEncoder, StyleGAN2

GENERATOR_NAME, ENCODER_NAME, MATRIX_NAME = "stylegan-voxceleb.pt", "e4e-voxceleb.pt", "A_matrix.pt"
DECA_NAME = "deca_model.tar"


def official_shape(ours: str, tensor: Tensor) -> tuple[int, ...]:
    """With the axes of length 1 that the authors' layout has; the inverse of `with_our_shape`."""
    if ours.endswith("convolution.weight"):
        return (1, *tensor.shape)
    if ours.startswith("to_rgb.") and ours.endswith(".bias") and tensor.ndim == 1 and "modulation" not in ours:
        return (1, *tensor.shape, 1, 1)
    return tuple(tensor.shape)


def official_state_of(network: nn.Module, names: Callable[[nn.Module], Mapping[str, str]], prefix: str) -> dict:
    """A network's state dict in the authors' layout, filled by the rule; the network may be on the meta device."""
    ours = network.state_dict()
    return {
        theirs: official_value(prefix + theirs, official_shape(mine, ours[mine]))
        for theirs, mine in names(network).items()
    }


def write_generator(folder: Path, sizes: Mapping) -> None:
    """With what a training leaves beside the averaged generator, and a blur kernel."""
    state = official_state_of(StyleGAN2(**sizes), generator_names, "g_ema.")
    state["convs.0.conv.blur.kernel"] = official_value("g_ema.convs.0.conv.blur.kernel", (4, 4))
    content = {"g_ema": state, "args": argparse.Namespace(size=256), "ada_aug_p": 0.0}
    torch.save(content, folder / GENERATOR_NAME)


def write_encoder(folder: Path, sizes: Mapping) -> None:
    with torch.device("meta"):
        encoder = InversionEncoder(**sizes)
    torch.save({"e": official_state_of(encoder, inversion_encoder_names, "e.")}, folder / ENCODER_NAME)


def write_matrix(folder: Path, sizes: Mapping) -> None:
    state = official_state_of(Directions(**sizes), directions_names, "A_matrix.")
    settings = {"learned_directions": 15, "shift_scale": 6.0, "w_plus": True, "step": 100}
    rows = {"num_layers_shift": sizes["num_rows"], "shift_dim": sizes["style_dim"]}
    torch.save({"A_matrix": state} | settings | rows, folder / MATRIX_NAME)


def write_deca(folder: Path, width: int) -> None:
    """With the two networks of wrinkles, which nobody asks for."""
    layout = official_layout("deca_encoder", DecaEncoder(width))
    state = {key: official_value("E_flame." + key, shape) for key, shape in layout.items()}
    torch.save({"E_flame": state, "E_detail": {}, "D_detail": {}}, folder / DECA_NAME)


def write_directions_files(folder: Path, tiny: bool) -> None:
    """Write the four files into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    full_matrix = {"num_directions": 15, "num_rows": 8, "style_dim": 512}
    write_generator(folder, GENERATOR if tiny else {})
    write_encoder(folder, ENCODER if tiny else {})
    write_matrix(folder, DIRECTIONS if tiny else full_matrix)
    write_deca(folder, (TINY if tiny else FULL).width)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder to write into")
    parser.add_argument("--tiny", action="store_true", help="small networks, for tests")
    options = parser.parse_args()
    write_directions_files(options.output, options.tiny)


if __name__ == "__main__":
    main()
