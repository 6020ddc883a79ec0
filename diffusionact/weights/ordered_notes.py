"""safetensors files whose bytes depend on nothing but their content: the package writes notes in a random order."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

from safetensors.torch import save
from torch import Tensor

LENGTH = struct.Struct("<Q")
ALIGNMENT = 8  # of the header, filled up with spaces


def save_in_order(tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file, notes sorted by name.

    Args:
        tensors: contiguous, on the CPU; no two share memory.
        notes: the metadata.
    """
    content = save(dict(tensors), dict(notes))
    start = LENGTH.size + LENGTH.unpack_from(content)[0]
    header = json.loads(content[LENGTH.size : start])
    ordered = {"__metadata__": dict(sorted(notes.items()))} | {
        name: entry for name, entry in header.items() if name != "__metadata__"
    }
    text = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return LENGTH.pack(len(text)) + text + content[start:]
