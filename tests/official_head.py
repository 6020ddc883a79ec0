"""A made-up head in the layout of FLAME's files: generic_model.pkl with classes of chumpy and scipy, and the embedding.

The mesh is a grid on an ellipsoid of a head's size, the landmarks are where a face has them. It stands for the real
head, which may not be passed on; no number of it comes from there.
"""

import pickle
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from official_rule import parameter

from diffusionact.face.readers.open.face_model import OpenFaceModel

# Rows and columns of the grid: vertices are ROWS * COLUMNS.
FULL_GRID = (50, 100)
TINY_GRID = (12, 24)
RADII_M = (0.075, 0.11, 0.09)
NUM_DIRECTIONS = 400
NUM_JOINTS = 5
CONTOUR_DEG = [*range(40), *(-degree for degree in range(1, 40))]


def head_arrays(grid: tuple[int, int]) -> dict[str, np.ndarray]:
    """What generic_model.pkl holds, all dense."""
    vertices, faces = ellipsoid(grid)
    count = len(vertices)
    weights = np.abs(rule("flame.weights", (count, NUM_JOINTS))) + 0.01
    regressor = np.abs(rule("flame.J_regressor", (NUM_JOINTS, count)))
    regressor[regressor < np.quantile(regressor, 0.95)] = 0.0
    return {
        "v_template": vertices,
        "shapedirs": 0.004 * rule("flame.shapedirs", (count, 3, NUM_DIRECTIONS)),
        "posedirs": 0.001 * rule("flame.posedirs", (count, 3, 36)),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.int64),
        "f": faces.astype(np.uint32),
    }


def embedding_arrays(grid: tuple[int, int]) -> dict[str, np.ndarray]:
    """What landmark_embedding.npy holds."""
    vertices, faces = ellipsoid(grid)
    centres = vertices[faces].mean(1)
    # The model has its middle between the ears; further forward, all landmarks look to the front of the head.
    points = OpenFaceModel.from_bundled().mean.double().numpy() + (0.0, 0.0, 1.0)
    jaw, inner = points[:17], points[17:]
    contour = np.stack([nearest(centres, turned(jaw, degree)) for degree in CONTOUR_DEG])
    return {
        "static_lmk_faces_idx": nearest(centres, inner),
        "static_lmk_bary_coords": np.full((51, 3), 1 / 3),
        "dynamic_lmk_faces_idx": contour,
        "dynamic_lmk_bary_coords": np.full((*contour.shape, 3), 1 / 3),
        "full_lmk_faces_idx": np.concatenate([contour[0], nearest(centres, inner)])[None],
        "full_lmk_bary_coords": np.full((1, 68, 3), 1 / 3),
    }


def checkpoint_buffers(model: dict[str, np.ndarray], embedding: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The same head as EMOCA's checkpoint has it: 150 directions, float32, tensors behind `deca.flame.`."""
    directions = np.concatenate([model["shapedirs"][..., :100], model["shapedirs"][..., 300:350]], axis=-1)
    buffers = {
        "v_template": model["v_template"],
        "shapedirs": directions,
        "posedirs": model["posedirs"].reshape(-1, 36).T,
        "J_regressor": model["J_regressor"],
        "parents": np.array([-1, 0, 1, 1, 1]),
        "lbs_weights": model["weights"],
        "faces_tensor": model["f"].astype(np.int64),
        "lmk_faces_idx": embedding["static_lmk_faces_idx"],
        "lmk_bary_coords": embedding["static_lmk_bary_coords"],
        "dynamic_lmk_faces_idx": embedding["dynamic_lmk_faces_idx"],
        "dynamic_lmk_bary_coords": embedding["dynamic_lmk_bary_coords"],
        "full_lmk_faces_idx": embedding["full_lmk_faces_idx"],
        "full_lmk_bary_coords": embedding["full_lmk_bary_coords"],
        "neck_kin_chain": np.array([1, 0]),
        "eye_pose": np.zeros((1, 6)),
        "neck_pose": np.zeros((1, 3)),
    }
    return {f"deca.flame.{name}": as_tensor(array) for name, array in buffers.items()}


def write_head(folder: Path, model: dict[str, np.ndarray], embedding: dict[str, np.ndarray]) -> None:
    """Write generic_model.pkl and landmark_embedding.npy; neither chumpy nor scipy is needed."""
    with foreign_classes() as (chumpy_array, sparse_matrix):
        content = dict(model) | {
            "shapedirs": with_state(chumpy_array, x=model["shapedirs"], _dirty_vars=set(), _itr=None),
            "v_template": with_state(chumpy_array, x=model["v_template"], _dirty_vars={"x"}, _itr=None),
            "J_regressor": with_state(sparse_matrix, **compressed_columns(model["J_regressor"])),
            "bs_style": "lbs",
            "bs_type": "lrotmin",
        }
        (folder / "generic_model.pkl").write_bytes(pickle.dumps(content, 2))
    np.save(folder / "landmark_embedding.npy", embedding)


@contextmanager
def foreign_classes() -> Iterator[tuple[type, type]]:
    """Classes with the names of chumpy.ch.Ch and scipy.sparse.csc.csc_matrix, for as long as something is pickled."""
    kinds = [type(name, (), {"__module__": module}) for module, name in FOREIGN_NAMES]
    modules = {part: types.ModuleType(part) for kind in kinds for part in packages(kind.__module__)}
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    for kind in kinds:
        setattr(modules[kind.__module__], kind.__name__, kind)
    try:
        yield kinds[0], kinds[1]
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


FOREIGN_NAMES = (("chumpy.ch", "Ch"), ("scipy.sparse.csc", "csc_matrix"))


def packages(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def with_state(kind: type, **state: object) -> object:
    value = kind()
    value.__dict__.update(state)
    return value


def compressed_columns(dense: np.ndarray) -> dict[str, object]:
    columns, rows = np.nonzero(dense.T)
    starts = np.concatenate([[0], np.cumsum((dense != 0).sum(0))])
    return {
        "_shape": dense.shape,
        "maxprint": 50,
        "data": dense[rows, columns],
        "indices": rows.astype(np.int32),
        "indptr": starts.astype(np.int32),
    }


def ellipsoid(grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (rows * columns, 3), metres, y up, face to +z; triangles."""
    rows, columns = grid
    tilt = np.linspace(-0.49, 0.49, rows)[:, None] * np.pi
    turn = np.linspace(0, 2, columns, endpoint=False)[None] * np.pi
    unit = np.stack([np.cos(tilt) * np.sin(turn), np.sin(tilt) + 0 * turn, np.cos(tilt) * np.cos(turn)], axis=-1)
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    a, b = row * columns + column, row * columns + (column + 1) % columns
    faces = np.concatenate([np.stack([a, b, a + columns], -1), np.stack([b, b + columns, a + columns], -1)])
    return unit.reshape(-1, 3) * RADII_M, faces.reshape(-1, 3)


def nearest(centres: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Triangles in the direction of points, seen from the middle of the head."""
    directions = points / np.linalg.norm(points, axis=-1, keepdims=True)
    towards = centres / np.linalg.norm(centres, axis=-1, keepdims=True)
    return (directions @ towards.T).argmax(-1)


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Turn about the vertical axis."""
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return points @ rotation.T


def rule(key: str, shape: tuple[int, ...]) -> np.ndarray:
    return parameter(key, shape).double().numpy()


def as_tensor(array: np.ndarray) -> torch.Tensor:
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.dtype.kind == "i" else array.astype(np.float32))
