"""FLAME's pickles are read as arrays; whatever else a pickle asks for is rejected and not run."""

import io
import os
import pickle

import numpy as np
import pytest

from diffusionact.conversion.array_pickles import read_arrays

VALUES = np.arange(12.0).reshape(3, 4)
DENSE = np.array([[0.0, 2.0, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, -3.0]])


def instance(kind, **state):
    value = kind()
    value.__dict__.update(state)
    return value


def written(tmp_path, content, protocol=2, name="model.pkl"):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return tmp_path / name


def compressed(dense, by_column):
    """data, indices, indptr of a compressed sparse matrix, by hand."""
    lines = dense.T if by_column else dense
    positions = [np.flatnonzero(line) for line in lines]
    return {
        "data": np.concatenate([line[where] for line, where in zip(lines, positions, strict=True)]),
        "indices": np.concatenate(positions).astype(np.int32),
        "indptr": np.cumsum([0, *map(len, positions)]).astype(np.int32),
        "_shape": dense.shape,
        "maxprint": 50,
    }


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["f8", "f4", "<u4", ">i8", "?"])
def test_arrays_of_every_pickle_protocol_are_read(tmp_path, protocol, dtype):
    content = {"a": VALUES.astype(dtype), "columns first": np.asfortranarray(VALUES.astype(dtype)), "style": "lbs"}
    arrays = read_arrays(written(tmp_path, content, protocol))
    assert sorted(arrays) == ["a", "columns first"]
    for array in arrays.values():
        assert array.tolist() == VALUES.astype(dtype).tolist() and array.dtype.isnative


def test_a_python_2_pickle_is_read(tmp_path):
    """Strings for bytes, copy_reg and __builtin__: crafted opcode by opcode, as Python 2 wrote it."""
    raw = VALUES.tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I3\nI4\ntcnumpy\ndtype\n"
    array += b"(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nT" + len(raw).to_bytes(4, "little") + raw + b"tb"
    chumpy = b"ccopy_reg\n_reconstructor\n(cchumpy.ch\nCh\nc__builtin__\nobject\nNtR(dS'x'\n" + array
    chumpy += b"sS'_dirty_vars'\nc__builtin__\nset\n((ltRsb"
    path = written(tmp_path, b"(dS'v_template'\n" + array + b"sS'shapedirs'\n" + chumpy + b"s.")
    arrays = read_arrays(path)
    assert np.array_equal(arrays["v_template"], VALUES) and np.array_equal(arrays["shapedirs"], VALUES)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_chumpy_objects_give_their_array_without_chumpy(tmp_path, foreign_class, protocol):
    ch = foreign_class("chumpy.ch", "Ch")
    select = foreign_class("chumpy.reordering", "Select")
    content = {"a": instance(ch, x=VALUES, _dirty_vars={"x"}, _itr=None), "lazy": instance(select, idxs=VALUES)}
    path = written(tmp_path, content, protocol)
    assert list(read_arrays(path)) == ["a"]
    assert np.array_equal(read_arrays(path)["a"], VALUES)


@pytest.mark.parametrize("module", ["scipy.sparse.{}", "scipy.sparse._{}"])
@pytest.mark.parametrize("kind", ["csc", "csr"])
def test_sparse_matrices_become_dense_without_scipy(tmp_path, foreign_class, module, kind):
    matrix = instance(foreign_class(module.format(kind), f"{kind}_matrix"), **compressed(DENSE, kind == "csc"))
    assert np.array_equal(read_arrays(written(tmp_path, {"J_regressor": matrix}))["J_regressor"], DENSE)


def test_sparse_matrices_of_the_installed_scipy_are_read(tmp_path):
    sparse = pytest.importorskip("scipy.sparse", reason="scipy (comes with scikit-image, dev extra) is absent")
    content = {kind: getattr(sparse, f"{kind}_matrix")(DENSE) for kind in ("csc", "csr")}
    arrays = read_arrays(written(tmp_path, content, pickle.HIGHEST_PROTOCOL))
    assert np.array_equal(arrays["csc"], DENSE) and np.array_equal(arrays["csr"], DENSE)


@pytest.mark.parametrize(
    "change",
    [
        {"indices": np.array([0, 2, 0, 9], np.int32)},
        {"indptr": np.array([0, 4, 2, 2, 4], np.int32)},
        {"indptr": np.array([0, 4], np.int32)},
        {"_shape": (2**40, 2**40)},
        {"_shape": "os"},
    ],
)
def test_a_sparse_matrix_whose_parts_do_not_fit_is_rejected(tmp_path, foreign_class, change):
    kind = foreign_class("scipy.sparse.csc", "csc_matrix")
    path = written(tmp_path, {"a": instance(kind, **compressed(DENSE, True) | change)})
    with pytest.raises(ValueError, match=r"Expected named arrays .*model\.pkl, received a"):
        read_arrays(path)


def test_a_dict_inside_a_npy_file_is_read(tmp_path):
    np.save(tmp_path / "landmark_embedding.npy", {"rows": VALUES, "faces": np.arange(3)})
    arrays = read_arrays(tmp_path / "landmark_embedding.npy")
    assert np.array_equal(arrays["rows"], VALUES) and arrays["faces"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", [np.zeros(3), np.array([{}, {}], dtype=object), np.array([1], dtype=object)])
def test_npy_files_with_something_else_are_rejected(tmp_path, content):
    np.save(tmp_path / "other.npy", content)
    with pytest.raises(ValueError, match=r"Expected named arrays and nothing else in .*other\.npy, received an? "):
        read_arrays(tmp_path / "other.npy")


class Call:
    """Pickled as a call of the given function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile_pickles(marker):
    """Name -> (pickle, the word that the refusal must contain); each would leave the file `marker`."""
    command = f"touch {marker}"
    text = command.encode()
    by_name = b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93\x8c\x02os\x8c\x06system\x86R\x8c"
    return {
        "os.system": (pickle.dumps(Call(os.system, command)), "system"),
        "builtins.eval": (pickle.dumps(Call(eval, f"open({str(marker)!r}, 'w')")), "eval"),
        "inside an entry": (pickle.dumps({"v_template": [VALUES, Call(os.system, command)]}), "system"),
        "nested reduce": (pickle.dumps(Call(set, [Call(set, [Call(os.system, command)])])), "system"),
        "getattr by name": (by_name + bytes([len(text)]) + text + b"\x85R.", "getattr"),
        "dotted name": (b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.", "ndarray.__class__"),
        "through numpy": (b"\x80\x04\x8c\x05numpy\x8c\x08loadtxt_\x93.", "loadtxt_"),
        "through our table's module": (b"\x80\x04\x8c\x07_codecs\x8c\x06decode\x93.", "_codecs.decode"),
        "numpy's runstring": (b"cnumpy.testing._private.utils\nrunstring\n.", "runstring"),
        "torch._utils": (b"ctorch._utils\n_rebuild_tensor\n.", "torch._utils"),
        "protocol 0 instance": (b"(S'" + text + b"'\nios\nsystem\n.", "os.system"),
        "extension registry": (b"\x80\x02\x82\x01.", "extension"),
        "persistent id": (b"Pos.system\n.", "persistent"),
        "set attributes of a stand-in": (b"cnumpy\nndarray\n(N(dS'array'\nc__builtin__\nset\nstb.", ""),
        "reconstructor of another class": (
            b"ccopy_reg\n_reconstructor\n(c__builtin__\nset\nc__builtin__\nobject\nNtR.",
            "",
        ),
        "an endless table": (b"\x80\x02Nr\xff\xff\xff\x7f.", "table of 2147483647"),
        "an endless text": (b"\x80\x04\x8e" + (2**60).to_bytes(8, "little") + b".", ""),
        "another codec": (b"c_codecs\nencode\n(S'a'\nS'rot13'\ntR.", "rot13"),
    }


@pytest.mark.parametrize("case", hostile_pickles("marker"))
def test_a_pickle_that_asks_for_code_is_rejected_and_not_run(tmp_path, case):
    content, word = hostile_pickles(tmp_path / "marker")[case]
    path = written(tmp_path, content)
    with pytest.raises(ValueError, match=r"Nothing in the file was run\. Take the file from") as refusal:
        read_arrays(path)
    assert word in str(refusal.value)
    assert not (tmp_path / "marker").exists()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    inside_npy = written(tmp_path, header.getvalue() + content, name="embedding.npy")
    with pytest.raises(ValueError, match=r"Nothing in the file was run"):
        read_arrays(inside_npy)
    assert not (tmp_path / "marker").exists()


def test_the_hostile_pickles_would_do_harm_elsewhere(tmp_path):
    """So that the refusals above show something: plain pickle runs the first of them."""
    pickle.loads(hostile_pickles(tmp_path / "marker")["os.system"][0])  # noqa: S301
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "content", [b"", b"no pickle", b"\x80\x04.", pickle.dumps([1]), pickle.dumps({"a": VALUES})[:-40]]
)
def test_damaged_and_other_files_are_rejected(tmp_path, content):
    with pytest.raises(
        ValueError, match=r"Expected named arrays and nothing else in .*model\.pkl, received .+\. Nothing"
    ):
        read_arrays(written(tmp_path, content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Expected a file of FLAME, received .*nowhere\.pkl.*Check"):
        read_arrays(tmp_path / "nowhere.pkl")


@pytest.mark.parametrize("header", [b"{'descr': (\n", b"  {'a'\n : 1\n", b"(" * 5000])
def test_a_npy_file_with_a_broken_header_is_rejected(tmp_path, header):
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with pytest.raises(ValueError, match=r"Expected named arrays and nothing else in .*a\.npy, received "):
        read_arrays(written(tmp_path, content, name="a.npy"))


def test_a_list_that_unfolds_without_end_is_rejected(tmp_path, foreign_class):
    value = 1.0
    for _ in range(200):
        value = [value, value]
    path = written(tmp_path, {"a": instance(foreign_class("chumpy.ch", "Ch"), x=value)})
    with pytest.raises(ValueError, match="a value that is no array of numbers"):
        read_arrays(path)
