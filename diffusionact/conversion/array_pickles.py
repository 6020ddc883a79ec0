"""Reads arrays out of pickles without running anything of them: FLAME's generic_model.pkl and landmark_embedding.npy.

Every class that such a file may name is replaced by a stand-in of ours; any other name is rejected. Neither chumpy nor
scipy is needed, and numpy's own unpickling is not used either.
"""

from __future__ import annotations

import math
import pickle
import pickletools
import tokenize
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

# Plain numbers only, by numpy's letters and bytes; "O" is a list of other values.
NUMBER_TYPES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}
OBJECT_TYPES = {"O", "O4", "O8"}
MAX_FILE_BYTES = 2**31
MAX_VALUES = 2**28  # of one array; FLAME's largest has 6 million
# Numbers of the table that pickles keep repeated values in; the reader makes room for the largest at once.
TABLE_CODES = ("PUT", "BINPUT", "LONG_BINPUT")
MAX_TABLE = 2**20
# What a damaged or hostile pickle makes the reader raise.
PICKLE_ERRORS = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OverflowError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)


class _Sealed(type):
    """Stand-ins cannot be changed by the pickle that uses them."""

    def __setattr__(cls, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"an attempt to change {cls.__name__}")


class _StandIn(metaclass=_Sealed):
    """Takes whatever it is made with, keeps the state that it is given, and does nothing."""

    __slots__ = ("state",)

    def __init__(self, *_: object):
        self.state: Any = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Array(_StandIn):
    """numpy.ndarray, and the function that begins one; its state is (version, shape, type, is_fortran, values)."""

    def array(self) -> np.ndarray:
        _, shape, kind, is_fortran, values = self.state
        return _values_as_array(values, kind, shape, bool(is_fortran))


class _ArrayOfBuffer(_StandIn):
    """numpy's _frombuffer of pickle protocol 5: made with (buffer, type, shape, order)."""

    def __init__(self, buffer: bytes, kind: _Type, shape: Sequence[int], order: str):
        self.state = (buffer, kind, shape, order)

    def array(self) -> np.ndarray:
        buffer, kind, shape, order = self.state
        return _values_as_array(buffer, kind, shape, order == "F")


class _Type(_StandIn):
    """numpy.dtype: made with a name such as "f8"; its state is (version, byte order, ...)."""

    __slots__ = ("name",)

    def __init__(self, name: str, *_: object):
        super().__init__()
        if name not in NUMBER_TYPES | OBJECT_TYPES:
            raise pickle.UnpicklingError(f"an array of type {str(name)[:20]!r}")
        self.name = name

    def dtype(self) -> np.dtype:
        order = self.state[1] if self.state else "="
        return np.dtype(self.name).newbyteorder(order if order in ("<", ">") else "=")


class _Number(_StandIn):
    """numpy's scalar: made with (type, bytes)."""

    def __init__(self, kind: _Type, values: bytes | str):
        self.state = (kind, values)

    def array(self) -> np.ndarray:
        return _values_as_array(self.state[1], self.state[0], (), False)


class _Sparse(_StandIn):
    """scipy's compressed matrix; its state holds data, indices, indptr and _shape."""

    is_by_column = True

    def array(self) -> np.ndarray:
        state = _state_dict(self)
        data, indices, starts = (as_array(state[name]) for name in ("data", "indices", "indptr"))
        rows, columns = _checked_shape(state.get("_shape", state.get("shape")))
        lines, length = (columns, rows) if self.is_by_column else (rows, columns)
        counts = np.diff(starts)
        is_whole = starts.shape == (lines + 1,) and starts[0] == 0 and starts[-1] == len(data) == len(indices)
        if not is_whole or (counts < 0).any() or (len(indices) and not 0 <= indices.min() <= indices.max() < length):
            raise ValueError("a sparse matrix whose parts do not fit together")
        dense = np.zeros((lines, length), data.dtype)
        np.add.at(dense, (np.repeat(np.arange(lines), counts), indices), data)
        return dense.T if self.is_by_column else dense


class _SparseByRow(_Sparse):
    is_by_column = False


class _Chumpy(_StandIn):
    """Any class of chumpy; chumpy.ch.Ch is an array `x` with bookkeeping around it."""

    def array(self) -> np.ndarray:
        return as_array(_state_dict(self)["x"])


class _Rebuilt(metaclass=_Sealed):
    """copyreg's _reconstructor of pickle protocols 0 and 1, for our stand-ins alone."""

    def __new__(cls, kind: type, base: type, _: object) -> _StandIn:  # type: ignore[misc]
        if not (isinstance(kind, _Sealed) and issubclass(kind, _StandIn)):
            raise pickle.UnpicklingError("an object built without its class")
        return kind()


class _Bytes(metaclass=_Sealed):
    """codecs.encode, which is how Python 3 writes bytes into old pickle protocols; Latin-1 and nothing else."""

    def __new__(cls, text: str = "", encoding: str = "latin1") -> bytes:  # type: ignore[misc]
        if encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError(f"the encoding {str(encoding)[:20]!r}")
        return text.encode("latin1")


ALLOWED: dict[tuple[str, str], type] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _Bytes,
    ("collections", "OrderedDict"): dict,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    ALLOWED |= {(_module, "_reconstruct"): _Array, (_module, "scalar"): _Number}
for _module in ("numpy.core.numeric", "numpy._core.numeric"):
    ALLOWED[_module, "_frombuffer"] = _ArrayOfBuffer
for _module in ("__builtin__", "builtins"):
    ALLOWED |= {(_module, "set"): set, (_module, "object"): object, (_module, "bytes"): _Bytes}
for _module in ("copy_reg", "copyreg"):
    ALLOWED[_module, "_reconstructor"] = _Rebuilt
for _kind, _stand_in in (("csc", _Sparse), ("csr", _SparseByRow)):
    for _module in (f"scipy.sparse.{_kind}", f"scipy.sparse._{_kind}"):
        ALLOWED |= {(_module, f"{_kind}_matrix"): _stand_in, (_module, f"{_kind}_array"): _stand_in}


class _ArrayUnpickler(pickle.Unpickler):
    """Knows the names of the table above, and chumpy's classes by their package; no other."""

    def find_class(self, module: str, name: str) -> type:
        if module.split(".")[0] == "chumpy":
            return _Chumpy
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"the name {module}.{name}")
        return ALLOWED[module, name]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read a pickled dict of arrays, or a .npy file that holds one; entries that are no arrays are left out.

    Args:
        path: generic_model.pkl, of Python 2 or 3, or landmark_embedding.npy.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is something else, is damaged, or names a class that is not in the table.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of FLAME, received {path}, which is no file. Check the path.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"Expected a file of FLAME, received {path} with {path.stat().st_size} bytes. Check the path.")
    try:
        with path.open("rb") as stream:
            content = _read_npy(stream) if _is_npy(stream) else _read_pickle(stream)
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__.strip('_')}")
        return {key: as_array(value) for key, value in content.items() if type(key) is str and _is_array_like(value)}
    except PICKLE_ERRORS as error:
        raise ValueError(
            f"Expected named arrays and nothing else in {path}, received {_in_words(error)}. Nothing in the file was "
            "run. Take the file from its authors' download page again."
        ) from error


def as_array(value: object) -> np.ndarray:
    """Dense numbers of a stand-in, or of a plain number.

    Lists are rejected: a few bytes can nest one in itself often enough to fill the memory.

    Raises:
        ValueError: if it is none of these.
    """
    array = value.array() if isinstance(value, _StandIn) and hasattr(value, "array") else value
    array = np.asarray(array) if isinstance(array, (bool, int, float)) else array
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise ValueError(f"a value that is no array of numbers ({type(value).__name__.strip('_')})")
    return array


def _is_array_like(value: object) -> bool:
    if isinstance(value, _Chumpy):
        return isinstance(value.state, dict) and "x" in value.state
    return isinstance(value, (_Array, _ArrayOfBuffer, _Number, _Sparse)) and not _holds_objects(value)


def _holds_objects(value: object) -> bool:
    return isinstance(value, _Array) and isinstance(value.state, tuple) and value.state[2].name in OBJECT_TYPES


def _is_npy(stream: BinaryIO) -> bool:
    magic = stream.read(len(np.lib.format.MAGIC_PREFIX))
    stream.seek(0)
    return magic == np.lib.format.MAGIC_PREFIX


def _read_npy(stream: BinaryIO) -> object:
    """The one value of an object array; what follows the header is a pickle of the array."""
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if not dtype.hasobject or math.prod(shape) != 1:
        raise ValueError(f"an array of {dtype} {shape}")
    content = _read_pickle(stream)
    if not (isinstance(content, _Array) and _holds_objects(content)):
        raise ValueError("a .npy file that holds something else than it says")
    values = content.state[4]
    if not isinstance(values, list) or len(values) != 1:
        raise ValueError("a .npy file with several values")
    return values[0]


def _read_pickle(stream: BinaryIO) -> object:
    start = stream.tell()
    for code, argument, _ in pickletools.genops(stream):
        if code.name in TABLE_CODES and argument > MAX_TABLE:
            raise pickle.UnpicklingError(f"a pickle with a table of {argument} entries")
    stream.seek(start)
    # Latin-1: numbers of Python 2 were written as its strings.
    return _ArrayUnpickler(stream, encoding="latin1").load()


def _values_as_array(values: object, kind: object, shape: object, is_fortran: bool) -> np.ndarray:
    if not isinstance(kind, _Type) or kind.name in OBJECT_TYPES:
        raise ValueError("an array of objects")
    shape = _checked_shape(shape)
    values = values.encode("latin1") if isinstance(values, str) else values
    if not isinstance(values, (bytes, bytearray)) or len(values) != math.prod(shape) * kind.dtype().itemsize:
        raise ValueError(f"an array of shape {shape} without its values")
    array = np.frombuffer(values, kind.dtype()).reshape(shape, order="F" if is_fortran else "C")
    return array.astype(kind.dtype().newbyteorder("="))


def _checked_shape(shape: object) -> tuple[int, ...]:
    is_shape = isinstance(shape, (tuple, list)) and len(shape) <= 8
    numbers = tuple(as_array(side).item() for side in shape) if is_shape else (-1,)
    if any(not isinstance(side, int) or side < 0 for side in numbers) or math.prod(numbers) > MAX_VALUES:
        raise ValueError(f"an array of shape {str(shape)[:40]}")
    return numbers


def _state_dict(value: _StandIn) -> dict[str, Any]:
    if not isinstance(value.state, dict):
        raise ValueError(f"a {type(value).__name__.strip('_')} without its values")
    return value.state


def _in_words(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return f"no entry {text}" if isinstance(error, KeyError) else text or type(error).__name__
