"""Geometry previews on nodes, and the route by which the page asks for them while sliders move.

They are made on the CPU, beside the model; a source is prepared once.
"""

from __future__ import annotations

import asyncio
import io
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web
from PIL import Image
from server import PromptServer
from torch import Tensor

from ...diffusionact import images
from ...diffusionact.face.pose.editing import PoseEdit, edit_pose
from ...diffusionact.pipelines import StreamHooks
from ...diffusionact.pipelines.preview import GeometryPreview
from ...diffusionact.types import FacePose, SourceCodes, map_tensors
from .progress import NodeProgress, check_interrupted
from .values import Source

ROUTE = "/diffusionact/edit_preview"
# Key of a node's output under which `web/edit_preview.js` finds the name of its edit.
OUTPUT_KEY = "diffusionact_edit"
MAX_SOURCES, MAX_EDITS = 4, 16
JPEG_QUALITY = 85

_sources: OrderedDict[str, SourceCodes] = OrderedDict()
_edits: OrderedDict[str, _Edit] = OrderedDict()


@dataclass(frozen=True)
class _Edit:
    """What the sliders of one run of Edit Pose start from: the preview's source, and a pose of one row."""

    source: SourceCodes
    pose: FacePose


@lru_cache(maxsize=1)
def _preview() -> GeometryPreview:
    return GeometryPreview()


def can_preview(source: Source | None, pose: FacePose) -> bool:
    """Whether there is a source, and both were read with the open face model."""
    read = [pose.coefficients] if source is None else [pose.coefficients, source.codes.coefficients]
    return source is not None and all(map(GeometryPreview.can_show, read))


def previewed(source: Source, pose: FacePose, progress: NodeProgress | None = None) -> Tensor:
    """The source in every pose, unit images (F, S, S, 3).

    Raises:
        ValueError: if source or poses belong to another face model than the open one.
    """
    hooks = StreamHooks(check_interrupted=check_interrupted)
    if progress is not None:
        hooks = StreamHooks(progress.advance_to, check_interrupted)
    return images.model_to_unit(_preview().posed(_source_of(source), pose, hooks))


def remember_edit(source: Source, pose: FacePose) -> str:
    """Keep what sliders start from, of few sources; returns the name by which the page asks for previews."""
    name = uuid.uuid4().hex
    # Copies: a view of the first row would keep the poses of a whole clip.
    _edits[name] = _Edit(_source_of(source), map_tensors(pose, lambda tensor: tensor[:1].clone()))
    while len(_edits) > MAX_EDITS or len({id(edit.source) for edit in _edits.values()}) > MAX_SOURCES:
        _edits.popitem(last=False)
    return name


def edited_jpeg(name: str, sliders: dict[str, float]) -> bytes | None:
    """A JPEG of a kept edit with other sliders; None if it is not kept any more.

    Raises:
        TypeError: if there is no such slider.
        ValueError: if a slider is out of range.
    """
    kept = _edits.get(name)
    if kept is None:
        return None
    edit = PoseEdit(**{slider: float(value) for slider, value in sliders.items()})
    preview = _preview()
    pose = edit_pose(preview.pipeline.face_reader.face_model, kept.pose, edit)
    frame = images.model_to_uint8(preview.posed(kept.source, pose))[0]
    buffer = io.BytesIO()
    Image.fromarray(frame.numpy()).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def register_route() -> None:
    """Let the page ask for previews, where a server has one."""
    server = getattr(PromptServer, "instance", None)
    if server is None:  # nodes that another program loads
        return

    @server.routes.post(ROUTE)
    async def edit_preview(request: web.Request) -> web.Response:
        asked = await request.json()
        try:
            jpeg = await asyncio.to_thread(edited_jpeg, str(asked["edit"]), asked["sliders"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return web.Response(status=400, text=str(error))
        if jpeg is None:
            return web.Response(status=404, text="This preview is not kept any more. Run the node again.")
        return web.Response(body=jpeg, content_type="image/jpeg")


def _source_of(source: Source) -> SourceCodes:
    """The preview's source; the last MAX_SOURCES are kept."""
    key = source.codes_hash
    if key not in _sources:
        _sources[key] = _preview().source_of(source.codes, source.image)
    _sources.move_to_end(key)
    while len(_sources) > MAX_SOURCES:
        _sources.popitem(last=False)
    return _sources[key]
