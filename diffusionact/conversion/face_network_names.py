"""What the authors' face networks call their weights, and what ours do: tables first, then where the blocks stand.

One table a file of the paper's face tracking; the FLAME head, which is data and not a network, is in `flame_head.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..weights import some_of

WEIGHTS = ("weight", "bias", "running_mean", "running_var")

# s3fd-619a316812.pth. Convolutions of the trunk, stage by stage: the index of one is its position in our trunk.
DETECTOR_STAGES = (
    ("conv1_1", "conv1_2"),
    ("conv2_1", "conv2_2"),
    ("conv3_1", "conv3_2", "conv3_3"),
    ("conv4_1", "conv4_2", "conv4_3"),
    ("conv5_1", "conv5_2", "conv5_3"),
    ("fc6", "fc7"),
    ("conv6_1", "conv6_2"),
    ("conv7_1", "conv7_2"),
)
DETECTOR_NORMS = ("conv3_3_norm", "conv4_3_norm", "conv5_3_norm")
DETECTOR_MAPS = (*DETECTOR_NORMS, "fc7", "conv6_2", "conv7_2")
DETECTOR_HEADS = {"mbox_conf": "score_heads", "mbox_loc": "box_heads"}

# 2DFAN4-11f355bf06.pth.tar.
FAN_ENDS = {"conv1": "conv_in", "bn1": "norm_in"}
FAN_BLOCKS_IN = ("conv2", "conv3", "conv4")
FAN_BLOCK = {
    "bn1": "norm_1",
    "conv1": "conv_1",
    "bn2": "norm_2",
    "conv2": "conv_2",
    "bn3": "norm_3",
    "conv3": "conv_3",
    "downsample.0": "skip_norm",
    "downsample.2": "skip_conv",
}
# Inside a level of an hourglass; the deepest level has a block where the others have a level.
FAN_LEVEL = {"b1": "skip", "b2": "before", "b3": "after"}
FAN_DEEPEST = {"b2_plus": "inner"}
# Of each stack; the number of the stack follows the official name.
FAN_STACK = {
    "conv_last": "conv",
    "bn_end": "norm",
    "l": "to_heatmaps",
    "bl": "features_back",
    "al": "heatmaps_back",
}
FAN_DEPTH = 4
FAN_STACKS = 4

# Residual networks, in torchvision's order of layers.
RESIDUAL_ENDS = {"conv1": "conv_in", "bn1": "norm_in"}
RESIDUAL_BLOCK = {
    "conv1": "conv_1",
    "bn1": "norm_1",
    "conv2": "conv_2",
    "bn2": "norm_2",
    "conv3": "conv_3",
    "bn3": "norm_3",
    "downsample.0": "skip.0",
    "downsample.1": "skip.1",
}
RESIDUAL_BLOCKS_PER_STAGE = (3, 4, 6, 3)

# EMOCA's checkpoint, and gaze_estimation_model.tar.
ENCODER_ENDS = {"layers.0": "hidden", "layers.2": "out"}
ENCODERS = {"deca.E_flame.": "shape_and_pose.", "deca.E_expression.": "expression."}
GAZE_ENDS = {"gaze_fc.0": "out"}

# Beginnings of keys that may be there and are left out, with the reason.
UNUSED_KEYS: dict[str, dict[str, str]] = {
    "detector": {},
    "landmark_net": {},
    "encoders": {
        "deca.E_detail.": "wrinkles; the landmarks do not depend on them",
        "deca.D_detail.": "wrinkles; the landmarks do not depend on them",
        "deca.flame.": "the head itself, which goes into its own file",
        "deca.flametex.": "skin texture; nothing is rendered",
    },
    "gaze_net": {"gaze_network.fc.": "ImageNet's classes; its output is never asked for"},
    "deca_encoder": {},
}
# Endings likewise.
UNUSED_ENDINGS = {"num_batches_tracked": "counts training steps; absent from files of old PyTorch versions"}


def face_detector_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Official key -> our key, for every weight of the face detector in `state`."""
    modules = {name: f"trunk.{i}.{j}" for i, stage in enumerate(DETECTOR_STAGES) for j, name in enumerate(stage)}
    modules |= {name: f"norms.{index}" for index, name in enumerate(DETECTOR_NORMS)}
    for index, name in enumerate(DETECTOR_MAPS):
        modules |= {f"{name}_{official}": f"{ours}.{index}" for official, ours in DETECTOR_HEADS.items()}
    return _parameters(modules, state)


def landmark_net_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Official key -> our key, for every weight of the landmark network in `state`."""
    modules = dict(FAN_ENDS)
    for index, name in enumerate(FAN_BLOCKS_IN):
        modules |= _inside(name, f"blocks_in.{index}", FAN_BLOCK)
    for stack in range(FAN_STACKS):
        ours = f"stacks.{stack}"
        modules |= {f"{official}{stack}": f"{ours}.{mine}" for official, mine in FAN_STACK.items()}
        modules |= _inside(f"top_m_{stack}", f"{ours}.block", FAN_BLOCK)
        prefix = f"{ours}.hourglass"
        # Official levels count down to 1, the deepest.
        for level in range(FAN_DEPTH, 0, -1):
            blocks = FAN_LEVEL | (FAN_DEEPEST if level == 1 else {})
            for official, mine in blocks.items():
                modules |= _inside(f"m{stack}.{official}_{level}", f"{prefix}.{mine}", FAN_BLOCK)
            prefix = f"{prefix}.inner"
    return _parameters(modules, state)


def coefficient_encoder_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Official key -> our key, for both encoders of EMOCA's checkpoint in `state`."""
    modules = {}
    for official, ours in ENCODERS.items():
        inside = _residual("encoder.", "trunk.") | ENCODER_ENDS
        modules |= {official + theirs: ours + mine for theirs, mine in inside.items()}
    return _parameters(modules, state)


def deca_encoder_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Official key -> our key, for the encoder in `state`, the part E_flame of deca_model.tar."""
    inside = _residual("encoder.", "trunk.") | ENCODER_ENDS
    return _parameters({theirs: f"encoder.{ours}" for theirs, ours in inside.items()}, state)


def gaze_net_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Official key -> our key, for every weight of the gaze network in `state`."""
    return _parameters(_residual("gaze_network.", "trunk.") | GAZE_ENDS, state)


# Attribute of `EmocaNetworks` or `DecaNetworks` -> its table.
FACE_NETWORK_NAMES = {
    "detector": face_detector_names,
    "landmark_net": landmark_net_names,
    "encoders": coefficient_encoder_names,
    "gaze_net": gaze_net_names,
    "deca_encoder": deca_encoder_names,
}


def face_network_state(network: str, state: Mapping[str, Tensor], origin: str) -> dict[str, Tensor]:
    """Official state dict -> state dict under our names, float32, contiguous.

    That it is complete is checked by `face.emoca.build_network`. Of EMOCA's checkpoint only the encoders' own parts
    must be known; whatever else it was trained with is left out.

    Args:
        network: attribute of `EmocaNetworks` or `DecaNetworks`, but `flame`.
        state: the bare state dict; for the encoders that of EMOCA's checkpoint, with keys `deca.*`.
        origin: where it comes from, for the message.

    Raises:
        ValueError: if a key is neither used nor known to be unused.
    """
    names = FACE_NETWORK_NAMES[network](state)
    known = tuple(UNUSED_KEYS[network]), tuple(UNUSED_ENDINGS)
    unknown = sorted(
        key
        for key in state.keys() - names.keys()
        if not key.startswith(known[0])
        and not key.endswith(known[1])
        and (network != "encoders" or key.startswith(tuple(ENCODERS)))
    )
    if unknown:
        raise ValueError(
            f"Expected only weights of the {network.replace('_', ' ')} in {origin}, received {len(state)} tensors, "
            f"unknown {some_of(unknown)}; choose the authors' file."
        )
    return {ours: state[official].float().contiguous() for official, ours in names.items()}


def _residual(official: str, ours: str) -> dict[str, str]:
    modules = {official + theirs: ours + mine for theirs, mine in RESIDUAL_ENDS.items()}
    for stage, blocks in enumerate(RESIDUAL_BLOCKS_PER_STAGE):
        for block in range(blocks):
            modules |= _inside(f"{official}layer{stage + 1}.{block}", f"{ours}stages.{stage}.{block}", RESIDUAL_BLOCK)
    return modules


def _inside(official: str, ours: str, layers: Mapping[str, str]) -> dict[str, str]:
    return {f"{official}.{theirs}": f"{ours}.{mine}" for theirs, mine in layers.items()}


def _parameters(modules: Mapping[str, str], state: Mapping[str, Tensor]) -> dict[str, str]:
    """From modules to their weights, as far as the file has them: not every block has a projection."""
    pairs = ((f"{official}.{kind}", f"{ours}.{kind}") for official, ours in modules.items() for kind in WEIGHTS)
    return {official: ours for official, ours in pairs if official in state}
