"""The state of a run in one file, so that the same command goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def load_state(path: Path, parts: Mapping[str, Any]) -> int:
    """Give networks and optimiser what a file holds; returns the steps done, 0 where there is no file yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return 0
    saved = torch.load(path, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    return saved["step"]


def save_state(path: Path, parts: Mapping[str, Any], step: int) -> None:
    """Write networks and optimiser, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save({**{name: part.state_dict() for name, part in parts.items()}, "step": step}, temporary)
    temporary.replace(path)
