"""The whole set of the authors' files in their own layout, filled by the rule of `official_rule`, at full or tiny size.

    python tests/official_files.py --output FOLDER [--tiny] [--sees] [--only NAME ...]

makes stand-ins for files that may not be passed on, so that the way from them to an image can be tried. With `--sees`
the face detector's weights are those of `seeing_detector` instead, because the rule's find no face anywhere.
"""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from official_head import FULL_GRID, TINY_GRID, checkpoint_buffers, embedding_arrays, head_arrays, write_head
from official_rule import parameter
from seeing_detector import seeing_weights
from torch import Tensor

from diffusionact.conversion import official
from diffusionact.conversion.face_network_names import FACE_NETWORK_NAMES
from diffusionact.conversion.official_names import CONV1D_TO_LINEAR
from diffusionact.face.readers.emoca.coefficient_encoders import CoefficientEncoders
from diffusionact.face.readers.emoca.face_detector import FaceDetector
from diffusionact.face.readers.emoca.gaze_net import GazeNet
from diffusionact.face.readers.emoca.landmark_net import LandmarkNet

EMOCA_FOLDER = Path("EMOCA/models/EMOCA_v2_lr_mse_20")
BEST_CHECKPOINT = "deca-epoch=10-val_loss=3.25.ckpt"
WORSE_CHECKPOINT = "deca-epoch=03-val_loss=3.50.ckpt"
SETTINGS = """\
coarse:
  model: {exp_deca_global_pose: false, exp_deca_jaw_pose: true}
detail:
  inout: {name: EMOCA_v2_lr_mse_20}
  model: {mode: detail, exp_deca_global_pose: %s, exp_deca_jaw_pose: %s, n_exp: 50}
"""
NAMES = ("diffusionact", "diffae", "s3fd", "fan", "gaze", "emoca", "flame")


@dataclass(frozen=True)
class Size:
    """How large the networks and the head are; the tiny ones have all the official names."""

    width: int
    grid: tuple[int, int]
    num_classes: int


FULL = Size(64, FULL_GRID, 1000)
TINY = Size(4, TINY_GRID, 10)


class _Any(dict):
    """Says yes to every name, so that a table of names is made whole."""

    def __contains__(self, _: object) -> bool:
        return True


def official_layout(name: str, network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Official key -> shape, for every tensor that the authors' file has of one of our face networks.

    Args:
        name: attribute of EmocaNetworks.
        network: ours, may be on the meta device.
    """
    ours = network.state_dict()
    names = {theirs: mine for theirs, mine in FACE_NETWORK_NAMES[name](_Any()).items() if mine in ours}
    layout = {theirs: tuple(ours[mine].shape) for theirs, mine in names.items()}
    counters = [key.replace("running_var", "num_batches_tracked") for key in layout if key.endswith("running_var")]
    return layout | dict.fromkeys(counters, ())


def official_state(layout: Mapping[str, tuple[int, ...]], prefixes: Mapping[str, str]) -> dict[str, Tensor]:
    """Official key -> value by the rule.

    Args:
        layout: official key -> shape.
        prefixes: beginning of an official key -> what stands there in the key that the rule takes.
    """
    state = {}
    for key, shape in layout.items():
        start = next(prefix for prefix in prefixes if key.startswith(prefix))
        state[key] = parameter(prefixes[start] + key.removeprefix(start), shape)
    return state


def write_s3fd(folder: Path, size: Size, sees: bool = False) -> None:
    state = official_state(official_layout("detector", FaceDetector(size.width)), {"": "s3fd."})
    if sees:
        seeing, names = seeing_weights(FaceDetector(size.width)), FACE_NETWORK_NAMES["detector"](state)
        state = {theirs: seeing[names[theirs]] for theirs in state}
    torch.save(state, folder / "s3fd-619a316812.pth", _use_new_zipfile_serialization=False)


def write_fan(folder: Path, size: Size) -> None:
    state = official_state(official_layout("landmark_net", LandmarkNet(size.width)), {"": "fan."})
    torch.save(state, folder / "2DFAN4-11f355bf06.pth.tar", _use_new_zipfile_serialization=False)


def write_gaze(folder: Path, size: Size) -> None:
    state = official_state(gaze_layout(GazeNet(size.width), size), {"": "gaze."})
    content = {"epoch": 24, "model_state": state}
    torch.save(content, folder / "gaze_estimation_model.tar", _use_new_zipfile_serialization=False)


def gaze_layout(network: GazeNet, size: Size) -> dict[str, tuple[int, ...]]:
    """With ImageNet's classes, which the file has and nobody asks for."""
    layout = official_layout("gaze_net", network)
    features = layout["gaze_fc.0.weight"][1]
    classes = {"weight": (size.num_classes, features), "bias": (size.num_classes,)}
    return layout | {f"gaze_network.fc.{kind}": shape for kind, shape in classes.items()}


def write_emoca(folder: Path, size: Size, head: Mapping[str, Tensor], width: int = 50) -> Path:
    """The folder of EMOCA's model: cfg.yaml and two checkpoints, of which the second is not the best.

    Args:
        folder: to write the folder into.
        size: of the networks.
        head: buffers of the head inside the checkpoints, or none.
        width: numbers of the expression encoder, 50, 53 or 56.

    Returns:
        The model's folder.
    """
    model = folder / EMOCA_FOLDER
    checkpoints = model / "detail" / "checkpoints"
    checkpoints.mkdir(parents=True)
    layout = official_layout("encoders", CoefficientEncoders(width, size.width))
    for name, prefix in ((BEST_CHECKPOINT, ""), (WORSE_CHECKPOINT, "worse.")):
        prefixes = {f"deca.{part}.": f"{prefix}{part}." for part in ("E_flame", "E_expression")}
        state = official_state(layout, prefixes) | dict(head)
        state["deca.D_detail.0.weight"] = parameter("D_detail.0.weight", (4, 4))
        content = {"epoch": 10, "global_step": 1000, "optimizer_states": [], "state_dict": state}
        torch.save(content, checkpoints / name)
    (model / "cfg.yaml").write_text(SETTINGS % (str(width == 56).lower(), str(width > 50).lower()))
    return model


def write_flame(folder: Path, size: Size) -> None:
    (folder / "FLAME").mkdir()
    write_head(folder / "FLAME", head_arrays(size.grid), embedding_arrays(size.grid))


def head_buffers(size: Size) -> dict[str, Tensor]:
    """The head as EMOCA's checkpoint holds it."""
    return checkpoint_buffers(head_arrays(size.grid), embedding_arrays(size.grid))


def write_diffusionact(folder: Path, networks: Mapping[str, torch.nn.Module]) -> None:
    """diffusionact_model.pt for networks of ours; 1.5 GB at the official size."""
    content: dict[str, object] = {"best_val_loss": 0.5}
    for name, origin in official.ORIGINS.items():
        content.setdefault(origin.part, {}).update(official_weights(name, networks[name]))
    state = content["state_dict_diff"]
    copies = {f"model.encoder.{key.removeprefix('ema_model.encoder.')}": state[key] for key in encoder_keys(state)}
    torch.save(content | {"state_dict_diff": state | copies}, folder / "diffusionact_model.pt")


def write_diffae(folder: Path, networks: Mapping[str, torch.nn.Module]) -> None:
    """last.ckpt of the diffusion autoencoder: `model` is what it was before fine-tuning."""
    state = official_weights("inversion_unet", networks["unet"]) | official_weights(
        "semantic_encoder", networks["semantic_encoder"]
    )
    copies = {key.removeprefix("ema_"): value for key, value in state.items()}
    torch.save({"epoch": 1, "global_step": 1, "state_dict": state | copies}, folder / "last.ckpt")


def official_weights(name: str, network: torch.nn.Module) -> dict[str, Tensor]:
    """Official key -> value by the rule, for a network of the model."""
    return official_state(model_layout(name, network), {"": ""})


def model_layout(name: str, network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Official key -> shape; linear layers of attention are Conv1d there."""
    ours = network.state_dict()
    layout = {}
    for theirs, mine in official.rename_table(name, network).items():
        is_conv1d = theirs.endswith(CONV1D_TO_LINEAR)
        layout[theirs] = (*ours[mine].shape, 1) if is_conv1d and ours[mine].ndim == 2 else tuple(ours[mine].shape)
    return layout


def encoder_keys(state: Iterable[str]) -> list[str]:
    return [key for key in state if key.startswith("ema_model.encoder.")]


def write_all(
    folder: Path,
    size: Size,
    only: Iterable[str] = NAMES,
    networks: Mapping[str, torch.nn.Module] | None = None,
    head_in_emoca: bool = True,
    sees: bool = False,
) -> None:
    """Write the set, one file after the other; the largest needs about 3 GB of memory at full size.

    Args:
        folder: is made.
        size: of the face networks and the head.
        only: which of NAMES.
        networks: of the model; None is the official size.
        head_in_emoca: whether EMOCA's checkpoints hold the head too.
        sees: whether the face detector sees a face.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in only:
        if name == "emoca":
            write_emoca(folder, size, head_buffers(size) if head_in_emoca else {})
        elif name in ("diffusionact", "diffae"):
            write = write_diffusionact if name == "diffusionact" else write_diffae
            write(folder, networks or official.official_networks())
        elif name == "s3fd":
            write_s3fd(folder, size, sees)
        else:
            {"fan": write_fan, "gaze": write_gaze, "flame": write_flame}[name](folder, size)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder to write into")
    parser.add_argument("--tiny", action="store_true", help="small face networks and head, for tests")
    parser.add_argument("--sees", action="store_true", help="a face detector that sees a face in every image")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="which files (default: all)")
    options = parser.parse_args()
    write_all(options.output, TINY if options.tiny else FULL, options.only, sees=options.sees)
    for path in sorted(path for path in options.output.rglob("*") if path.is_file()):
        print(f"{path.stat().st_size / 2**20:9.1f} MiB  {path}")


if __name__ == "__main__":
    main()
