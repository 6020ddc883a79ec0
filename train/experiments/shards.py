"""Pairs of source and target as files: a shard of some people each, those that are there not made again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .arguments import check_fields

# A dataclass of tensors.
Pairs = TypeVar("Pairs")


class PairTensors:
    """What dataclasses of tensors, one row a pair, have in common."""

    def tensors(self) -> dict[str, Tensor]:
        """All fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def joined(parts: Sequence[Pairs]) -> Pairs:
    """All rows of some of one kind."""
    kind = type(parts[0])
    return kind(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(kind)))


def save_shard(path: Path, people: Sequence[tuple[str, Any]]) -> None:
    """Write the pairs of some people, whole or not at all; numbers with a point in half precision."""
    tensors: dict[str, Tensor] = {}
    for name, pairs in people:
        for field, value in pairs.tensors().items():
            tensors[f"{name}.{field}"] = (value.half() if value.is_floating_point() else value).contiguous()
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary)
    temporary.replace(path)


def load_shards(paths: Sequence[Path], kind: type[Pairs]) -> Iterator[tuple[str, Pairs]]:
    """The pairs of all people of shards, numbers with a point in float32.

    Args:
        paths: of the shards.
        kind: the dataclass that they hold.

    Raises:
        ValueError: if a shard holds another kind.
    """
    expected = {field.name for field in fields(kind)}
    for path in paths:
        people: dict[str, dict[str, Tensor]] = {}
        for name, value in load_file(path).items():
            person, part = name.rsplit(".", 1)
            people.setdefault(person, {})[part] = value.float() if value.is_floating_point() else value
        for person, parts in sorted(people.items()):
            check_fields(path, set(parts), expected)
            yield person, kind(**parts)
