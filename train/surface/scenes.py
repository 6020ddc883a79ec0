"""Held-out people as the warp and as the model draw them: what `train.surface.gate` measures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.video import open_frames
from diffusionact.warping import WarpRenderer, mesh_motion, read_face
from diffusionact.warping.photo import PhotoPreparer
from diffusionact.warping.placement import transform_mesh
from portraits.head import Head

from ..experiments.guided_gate import FaceJudge, Scene
from .filmed import turning_sources
from .network import SurfaceModel
from .painting import IMAGE_SIZE, SurfacePainter
from .pairs import MAX_MISS, aligned_crop, cut_out_source, missed_levels
from .rendered import person_frames

FRAMES, TARGETS_OF_SOURCE, FLICKER_FRAMES, TARGETS_OF_PERSON = 90, 8, 12, 4
FIRST_PERSON = 100_000  # rendered people from here on are in no training set
# Frames with less to paint are left out, px of the image.
MIN_REGION_PX = 600


class Judge(FaceJudge):
    """Draws people as the warp and as the model do.

    Args:
        model: trained.
        steps: of its sampler.
    """

    def __init__(self, model: SurfaceModel, steps: int):
        super().__init__()
        self._model, self._steps, self._preparer = model, steps, PhotoPreparer()
        self._other: Tensor | None = None
        self._next_other: Tensor | None = None

    def scene(self, photo: Tensor, frames: list[Tensor], meshes: Tensor, runs: bool) -> Scene | None:
        """Frames of a photo, without cuts and those that leave hardly anything to paint; None if none is left."""
        reading = read_face(photo, self.landmarker, self.face_model)
        source = cut_out_source(photo, reading, self._preparer)
        motion = mesh_motion(source, transform_mesh(meshes, reading.aligned[None]))
        drawn = WarpRenderer(source, IMAGE_SIZE).render(motion)
        crops = [aligned_crop(frame, reading.aligned, int(source.crop_side), IMAGE_SIZE) for frame in frames]
        truth, known = (torch.stack(parts) for parts in zip(*crops, strict=True))
        painter = SurfacePainter(self._model, source, self._steps)
        started = time.process_time()
        given = painter.given(drawn, motion)
        model = painter.paint(drawn, motion, given)
        self.paint_ms.append(1000 * (time.process_time() - started) / len(model))
        other = None if self._other is None else painter.paint(drawn, motion, given, self._other)
        self._next_other = given.code[:1]
        gate, told = (F.interpolate(layer, size=IMAGE_SIZE, mode="bilinear") for layer in (given.gate, given.told))
        inside = (gate > 0.5) & (known > 0.5)
        clean = missed_levels(drawn, truth, told * known) < MAX_MISS
        # Frames that follow one another are kept together.
        kept = clean.all().expand(len(clean)) if runs else clean & (inside.sum(dim=(1, 2, 3)) > MIN_REGION_PX)
        if not kept.any():
            return None
        other = None if other is None else other[kept]
        oracle = torch.lerp(drawn.images, truth, gate * known)
        return Scene(drawn.images[kept], model[kept], other, truth[kept], oracle[kept], inside[kept], runs)

    def clip(self, path: Path) -> Iterator[Scene]:
        """A clip's turned heads from each of its sources, and consecutive frames around the one turned farthest."""
        self._other = self._next_other
        frames = list(open_frames(path))
        frames, meshes = self.meshes([frames[k] for k in range(0, len(frames), max(1, len(frames) // FRAMES))])
        if len(frames) < FLICKER_FRAMES:
            return
        for index, targets in turning_sources(meshes):
            start = min(max(0, targets[0] - FLICKER_FRAMES // 2), len(frames) - FLICKER_FRAMES)
            run = list(range(start, start + FLICKER_FRAMES))
            for rows, runs in ((targets[:TARGETS_OF_SOURCE], False), (run, True)):
                scene = self.scene(frames[index], [frames[k] for k in rows], meshes[rows], runs)
                if scene is not None:
                    yield scene

    def person(self, head: Head, number: int) -> Iterator[Scene]:
        """A rendered person's turned heads."""
        self._other = self._next_other
        frames = person_frames(head, FIRST_PERSON + number)[: 1 + TARGETS_OF_PERSON]
        kept, meshes = self.meshes(frames)
        if kept and kept[0] is frames[0] and len(kept) > 1:
            scene = self.scene(kept[0], kept[1:], meshes[1:], False)
            if scene is not None:
                yield scene
