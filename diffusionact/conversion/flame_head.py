"""The FLAME head from either of its sources to our tensors: EMOCA's checkpoint, or FLAME's and DECA's own files.

Pure functions over arrays; reading the pickled files is not done here. Names of the result: `FlameTensors`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..face.readers.emoca.flame import NUM_EXPRESSION, NUM_JOINTS, NUM_SHAPE
from ..weights import some_of

# Of 400 directions of FLAME's file, the expression's begin here.
FIRST_EXPRESSION = 300

# generic_model.pkl and landmark_embedding.npy.
MODEL_ARRAYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
EMBEDDING_ARRAYS = (
    "static_lmk_faces_idx",
    "static_lmk_bary_coords",
    "dynamic_lmk_faces_idx",
    "dynamic_lmk_bary_coords",
)
# EMOCA's checkpoint, behind `deca.flame.`.
CHECKPOINT_PREFIX = "deca.flame."
CHECKPOINT_BUFFERS = (
    "v_template",
    "shapedirs",
    "posedirs",
    "J_regressor",
    "parents",
    "lbs_weights",
    "faces_tensor",
    "lmk_faces_idx",
    "lmk_bary_coords",
    "dynamic_lmk_faces_idx",
    "dynamic_lmk_bary_coords",
)
# What else may be there, with the reason why it is left out.
UNUSED_BUFFERS = {
    "full_lmk_faces_idx": "a fixed contour, which the official landmark maps do not have",
    "full_lmk_bary_coords": "a fixed contour, which the official landmark maps do not have",
    "lmk_faces_idx_mediapipe": "other landmarks, used in EMOCA's training only",
    "lmk_bary_coords_mediapipe": "other landmarks, used in EMOCA's training only",
    "neck_kin_chain": "follows from the parents; neck and root",
    "eye_pose": "zero: the eyes stay at rest",
    "neck_pose": "zero: the neck stays at rest",
}
RESTING = ("eye_pose", "neck_pose")


def flame_from_files(model: Mapping[str, np.ndarray], embedding: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """FLAME's generic_model.pkl and DECA's landmark_embedding.npy, both as plain dense arrays, to our tensors.

    Args:
        model: `MODEL_ARRAYS`; other arrays of the file are ignored. shapedirs (V, 3, 400), or (V, 3, 150) already cut.
        embedding: `EMBEDDING_ARRAYS`; others are ignored.

    Raises:
        ValueError: if an array is missing, or there are too few directions.
    """
    _check_names(model, MODEL_ARRAYS, "FLAME's generic_model.pkl")
    _check_names(embedding, EMBEDDING_ARRAYS, "landmark_embedding.npy")
    directions = np.asarray(model["shapedirs"], dtype=np.float64)
    pose = np.asarray(model["posedirs"], dtype=np.float64)
    tree = np.asarray(model["kintree_table"])
    if pose.ndim != 3 or tree.shape != (2, NUM_JOINTS):
        raise ValueError(
            f"Expected posedirs (vertices, 3, 36) and kintree_table (2, {NUM_JOINTS}) of FLAME, received {pose.shape} "
            f"and {tree.shape}; choose generic_model.pkl of FLAME 2020 or 2023."
        )
    buffers = {
        "v_template": model["v_template"],
        "shapedirs": _used_directions(directions),
        "posedirs": pose.reshape(-1, pose.shape[-1]).T,
        "J_regressor": model["J_regressor"],
        "parents": tree[0].astype(np.int64),
        "lbs_weights": model["weights"],
        "faces_tensor": model["f"],
        "lmk_faces_idx": embedding["static_lmk_faces_idx"],
        "lmk_bary_coords": embedding["static_lmk_bary_coords"],
        "dynamic_lmk_faces_idx": embedding["dynamic_lmk_faces_idx"],
        "dynamic_lmk_bary_coords": embedding["dynamic_lmk_bary_coords"],
    }
    return _our_tensors({name: _as_tensor(array) for name, array in buffers.items()})


def flame_from_checkpoint(state: Mapping[str, Tensor], origin: str) -> dict[str, Tensor]:
    """The head inside EMOCA's checkpoint, keys `deca.flame.*` among others, to our tensors.

    Args:
        state: the checkpoint's state dict.
        origin: where it comes from, for the messages.

    Raises:
        ValueError: if tensors of the head are missing or unknown, or its neck or eyes do not rest.
    """
    buffers = {
        key.removeprefix(CHECKPOINT_PREFIX): tensor
        for key, tensor in state.items()
        if key.startswith(CHECKPOINT_PREFIX)
    }
    _check_names(buffers, CHECKPOINT_BUFFERS, origin)
    unknown = sorted(buffers.keys() - set(CHECKPOINT_BUFFERS) - UNUSED_BUFFERS.keys())
    if unknown:
        raise ValueError(
            f"Expected the FLAME head of EMOCA in {origin}, received unknown tensors {some_of(unknown)}; import "
            f"FLAME's generic_model.pkl and landmark_embedding.npy instead."
        )
    moved = [name for name in RESTING if name in buffers and buffers[name].abs().max() > 0]
    if moved:
        raise ValueError(
            f"Expected a FLAME head whose neck and eyes rest in {origin}, received values other than zero in "
            f"{' and '.join(moved)}; import FLAME's generic_model.pkl and landmark_embedding.npy instead."
        )
    return _our_tensors(buffers)


def _our_tensors(buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Layout of the checkpoint to ours: corners of triangles instead of numbers of triangles."""
    parents = buffers["parents"].reshape(-1).long().clone()
    parents[:1] = -1  # the file has 2 ** 32 - 1 there
    faces = buffers["faces_tensor"].long()
    directions = buffers["shapedirs"]
    tensors = {
        "template": buffers["v_template"],
        "shape_directions": directions[..., :NUM_SHAPE],
        "expression_directions": directions[..., NUM_SHAPE : NUM_SHAPE + NUM_EXPRESSION],
        "pose_directions": buffers["posedirs"],
        "joint_regressor": buffers["J_regressor"],
        "skinning_weights": buffers["lbs_weights"],
        "contour_weights": buffers["dynamic_lmk_bary_coords"],
        "inner_weights": buffers["lmk_bary_coords"],
    }
    indices = {
        "parents": parents,
        "contour_vertices": _corners(faces, buffers["dynamic_lmk_faces_idx"]),
        "inner_vertices": _corners(faces, buffers["lmk_faces_idx"]),
    }
    return {name: tensor.float().contiguous() for name, tensor in tensors.items()} | indices


def _corners(faces: Tensor, numbers: Tensor) -> Tensor:
    """Rows of the mesh (..., 3) at the corners of triangles (...)."""
    is_inside = (numbers >= 0) & (numbers < len(faces))
    if faces.ndim != 2 or not is_inside.all():
        raise ValueError(
            f"Expected landmarks on the triangles (N, 3) of the head, received triangles {tuple(faces.shape)} and "
            f"{int((~is_inside).sum())} landmarks on others; the landmark embedding belongs to another mesh: import "
            f"the one of DECA or EMOCA."
        )
    return faces[numbers.long()]


def _used_directions(directions: np.ndarray) -> np.ndarray:
    """The first 100 directions of shape and 50 of expression."""
    if directions.ndim == 3 and directions.shape[-1] == NUM_SHAPE + NUM_EXPRESSION:
        return directions
    if directions.ndim != 3 or directions.shape[-1] < FIRST_EXPRESSION + NUM_EXPRESSION:
        raise ValueError(
            f"Expected shapedirs of FLAME as (vertices, 3, 400), received {directions.shape}; choose generic_model.pkl "
            f"of FLAME 2020 or 2023."
        )
    return np.concatenate(
        [directions[..., :NUM_SHAPE], directions[..., FIRST_EXPRESSION : FIRST_EXPRESSION + NUM_EXPRESSION]], axis=-1
    )


def _as_tensor(array: np.ndarray) -> Tensor:
    array = np.asarray(array)
    kind = np.int64 if array.dtype.kind in "iub" else np.float64
    return torch.from_numpy(np.ascontiguousarray(array.astype(kind)))


def _check_names(received: Mapping[str, object], expected: tuple[str, ...], origin: str) -> None:
    missing = sorted(set(expected) - received.keys())
    if missing:
        raise ValueError(
            f"Expected {', '.join(expected)} in {origin}, received a file without {some_of(missing)}; choose the "
            f"authors' file, or the other source of the head."
        )
