"""Seeded changes to files: bytes of any kind, and what lies inside JSON, safetensors, zip and tar files."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

NUMBERS = (0, 1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, -1e9, 1e30, 2**63, float("nan"), float("inf"), "", "x", "no", "../../etc/passwd",
    "http://127.0.0.1:9/x", "\u0000", "<script>alert(1)</script>", "9" * 400, [], {}, [[]], [None], [1, 2, 3],
    {"a": {"b": []}}, ["x"] * 50,
)  # fmt: skip

Random = np.random.Generator


def mutated_bytes(content: bytes, random: Random) -> bytes:
    """One to four changes of bytes, blocks or whole numbers."""
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 5))):
        if not changed:
            break
        _BYTE_CHANGES[int(random.integers(len(_BYTE_CHANGES)))](changed, random)
    return bytes(changed)


def _span(content: bytearray, random: Random) -> tuple[int, int]:
    start = int(random.integers(len(content)))
    return start, start + int(random.integers(1, max(2, len(content) // 8)))


def _flip(content: bytearray, random: Random) -> None:
    content[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))


def _flip_near_start(content: bytearray, random: Random) -> None:
    content[int(random.integers(min(len(content), 96)))] = int(random.integers(256))


def _scatter(content: bytearray, random: Random) -> None:
    for _ in range(max(1, len(content) // 200)):
        content[int(random.integers(len(content)))] = int(random.integers(256))


def _zero(content: bytearray, random: Random) -> None:
    first, last = _span(content, random)
    content[first:last] = bytes(len(content[first:last]))


def _delete(content: bytearray, random: Random) -> None:
    first, last = _span(content, random)
    del content[first:last]


def _repeat(content: bytearray, random: Random) -> None:
    first, last = _span(content, random)
    content[first:first] = content[first:last] * int(random.integers(1, 4))


def _move(content: bytearray, random: Random) -> None:
    first, last = _span(content, random)
    block = content[first:last]
    del content[first:last]
    place = int(random.integers(len(content) + 1))
    content[place:place] = block


def _truncate(content: bytearray, random: Random) -> None:
    del content[int(random.integers(len(content))) :]


def _number(content: bytearray, random: Random) -> None:
    width = int(random.choice([2, 4, 8]))
    place = int(random.integers(max(1, len(content) - width)))
    value = NUMBERS[int(random.integers(len(NUMBERS)))] % 256**width
    content[place : place + width] = value.to_bytes(width, "big" if random.random() < 0.5 else "little")


_BYTE_CHANGES: tuple[Callable[[bytearray, Random], None], ...] = (
    _flip, _flip_near_start, _scatter, _zero, _delete, _repeat, _move, _truncate, _number, _number,
)  # fmt: skip


def mutated_tree(value: Any, random: Random) -> Any:
    """One change somewhere in nested lists and dictionaries: another value, a lost, renamed or repeated entry."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        name = list(value)[int(random.integers(len(value)))]
        return _mutated_entry(dict(value), name, random)
    if isinstance(value, list) and value and random.random() < 0.8:
        index = int(random.integers(len(value)))
        choice = random.random()
        if choice < 0.2:
            return value[:index] + value[index + 1 :]
        if choice < 0.3:
            return value[:index] + [value[index]] + value[index:]
        return [*value[:index], mutated_tree(value[index], random), *value[index + 1 :]]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and random.random() < 0.4:
        return value * float(random.choice([-1, 0, 2, 1000, 1e9]))
    return VALUES[int(random.integers(len(VALUES)))]


def _mutated_entry(values: dict[str, Any], name: str, random: Random) -> dict[str, Any]:
    choice = random.random()
    if choice < 0.12:
        del values[name]
    elif choice < 0.2:
        values[f"{name}x"] = values.pop(name)
    else:
        values[name] = mutated_tree(values[name], random)
    return values


def mutated_json(content: bytes, random: Random) -> bytes:
    """Mostly JSON with another tree, else other bytes."""
    if random.random() < 0.2:
        return mutated_bytes(content, random)
    return json.dumps(mutated_tree(json.loads(content), random)).encode()


def mutated_safetensors(content: bytes, random: Random) -> bytes:
    """A header with another tree and the right length; else other bytes."""
    if random.random() < 0.4:
        return mutated_bytes(content, random)
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    notes = header.get("__metadata__")
    if notes and random.random() < 0.6:  # values there are strings, and some of them are JSON themselves
        name = list(notes)[int(random.integers(len(notes)))]
        try:
            value = mutated_tree(json.loads(notes[name]), random)
        except json.JSONDecodeError:
            value = VALUES[int(random.integers(len(VALUES)))]
        header["__metadata__"] = notes | {name: json.dumps(value)}
    else:
        header = mutated_tree(header, random)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def mutated_zip(content: bytes, random: Random) -> bytes:
    """One member with other bytes in a sound archive; else other bytes anywhere."""
    if random.random() < 0.4:
        return mutated_bytes(content, random)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(buffer, "w") as target:
        names = source.namelist()
        pickles = [index for index, name in enumerate(names) if name.endswith(".pkl")]
        chosen = pickles[0] if pickles and random.random() < 0.7 else int(random.integers(len(names)))
        for index, name in enumerate(names):
            data = source.read(name)
            target.writestr(name, mutated_bytes(data, random) if index == chosen else data)
    return buffer.getvalue()


def mutated_tar(content: bytes, random: Random) -> bytes:
    """One member with another content, or another name, in a sound archive; else other bytes anywhere."""
    if random.random() < 0.3:
        return mutated_bytes(content, random)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(content)) as source, tarfile.open(fileobj=buffer, mode="w") as target:
        members = source.getmembers()
        chosen = int(random.integers(len(members)))
        for index, member in enumerate(members):
            data = source.extractfile(member).read()
            if index == chosen:
                change = mutated_json if member.name.endswith(".json") else mutated_bytes
                data = change(data, random)
                if random.random() < 0.1:
                    member.name = f"../{member.name}"
            member.size = len(data)
            target.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
