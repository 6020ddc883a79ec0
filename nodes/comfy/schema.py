"""The pack's schemas and socket types, and what differs between the versions of ComfyUI that it supports."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from comfy_api.latest import io

CATEGORY = "DiffusionAct"
ESSENTIALS_CATEGORY = "Video Tools"

# Passed as an extra value, because older inputs do not know the argument.
ADVANCED = {"advanced": True}

# What travels on our own sockets is in `values.py`; FACE_LANDMARKS is ComfyUI's.
ModelSocket = io.Custom("DIFFUSIONACT_MODEL")
SourceSocket = io.Custom("DIFFUSIONACT_SOURCE")
PoseSocket = io.Custom("DIFFUSIONACT_POSE")
CodesSocket = io.Custom("DIFFUSIONACT_CODES")
CropSocket = io.Custom("DIFFUSIONACT_CROP")  # carries a `CropChange`
LandmarksSocket = io.Custom("FACE_LANDMARKS")


def make_schema(node_id: str, **values: Any) -> io.Schema:
    """A schema in the pack's category; values that this ComfyUI does not know, such as search aliases, are left out."""
    known = {field.name for field in fields(io.Schema)}
    values = {"category": CATEGORY, **values}
    return io.Schema(node_id=f"DiffusionAct_{node_id}", **{name: values[name] for name in values if name in known})
