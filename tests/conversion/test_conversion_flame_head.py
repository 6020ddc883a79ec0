"""The FLAME head from both of its sources: the same head, and rejected with a reason."""

import numpy as np
import pytest
import torch
from official_head import TINY_GRID, checkpoint_buffers, embedding_arrays, head_arrays

from diffusionact.conversion.flame_head import flame_from_checkpoint, flame_from_files
from diffusionact.face.readers.emoca import FlameModel, build_network

MODEL, EMBEDDING = head_arrays(TINY_GRID), embedding_arrays(TINY_GRID)


def test_both_sources_give_the_same_head():
    files = flame_from_files(MODEL, EMBEDDING)
    checkpoint = flame_from_checkpoint(checkpoint_buffers(MODEL, EMBEDDING), "file")
    assert files.keys() == checkpoint.keys() == FlameModel.from_state(files).state_dict().keys()
    for name, tensor in files.items():
        assert torch.allclose(tensor.double(), checkpoint[name].double(), atol=1e-7), name


def test_expression_directions_are_those_behind_300_shapes():
    head = flame_from_files(MODEL, EMBEDDING)
    assert np.allclose(head["shape_directions"], MODEL["shapedirs"][..., :100])
    assert np.allclose(head["expression_directions"], MODEL["shapedirs"][..., 300:350])


def test_landmarks_lie_on_the_corners_of_their_triangles():
    head = flame_from_files(MODEL, EMBEDDING)
    assert np.array_equal(head["inner_vertices"], MODEL["f"][EMBEDDING["static_lmk_faces_idx"]])
    assert np.array_equal(head["contour_vertices"], MODEL["f"][EMBEDDING["dynamic_lmk_faces_idx"]])
    assert head["parents"].tolist() == [-1, 0, 1, 1, 1]


def test_a_file_without_an_array_is_rejected():
    with pytest.raises(ValueError, match=r"generic_model.pkl, received a file without posedirs; choose"):
        flame_from_files({name: array for name, array in MODEL.items() if name != "posedirs"}, EMBEDDING)
    with pytest.raises(ValueError, match=r"landmark_embedding.npy, received a file without .*_lmk_.*; choose"):
        flame_from_files(MODEL, MODEL)


def test_a_checkpoint_whose_neck_does_not_rest_is_rejected():
    buffers = checkpoint_buffers(MODEL, EMBEDDING)
    buffers["deca.flame.neck_pose"] = torch.tensor([[0.1, 0.0, 0.0]])
    with pytest.raises(ValueError, match="other than zero in neck_pose; import FLAME's"):
        flame_from_checkpoint(buffers, "file")


def test_a_checkpoint_with_an_unknown_part_of_the_head_is_rejected():
    buffers = checkpoint_buffers(MODEL, EMBEDDING) | {"deca.flame.hair": torch.zeros(1)}
    with pytest.raises(ValueError, match="unknown tensors hair; import"):
        flame_from_checkpoint(buffers, "file")


def test_too_few_directions_are_rejected():
    short = MODEL | {"shapedirs": MODEL["shapedirs"][..., :310]}
    with pytest.raises(ValueError, match=r"as \(vertices, 3, 400\), received \(.*310\); choose"):
        flame_from_files(short, EMBEDDING)


def test_landmarks_of_another_mesh_are_rejected():
    other = EMBEDDING | {"static_lmk_faces_idx": EMBEDDING["static_lmk_faces_idx"] + 9000}
    with pytest.raises(ValueError, match="belongs to another mesh: import the one of DECA"):
        flame_from_files(MODEL, other)


@pytest.mark.parametrize(
    "change",
    [
        {"kintree_table": np.zeros(())},
        {"kintree_table": np.zeros((2, 0), np.int64)},
        {"kintree_table": np.full((2, 5), 9)},
        {"posedirs": np.zeros(())},
        {"f": MODEL["f"][:, 0]},
        {"v_template": np.zeros(())},
        {"static_lmk_faces_idx": np.zeros(0, np.int64)},
        {"static_lmk_faces_idx": np.full(51, np.nan)},
    ],
)
def test_arrays_of_another_kind_are_rejected_in_words(change):
    with pytest.raises(ValueError, match=r"^Expected .* received .*(import|choose)"):
        build_network("flame", flame_from_files(MODEL | change, EMBEDDING | change), "file")
