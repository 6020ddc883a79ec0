"""Held-out people as the warp and as the model draw them: what `train.mouth.gate` measures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from diffusionact.video import open_frames
from diffusionact.warping import WarpMotion, WarpRenderer, mesh_motion, prepare_source, read_face
from diffusionact.warping.mouth import lip_opening
from diffusionact.warping.placement import fit_placement, mesh_to_plane, transform_mesh
from diffusionact.warping.values import HeadPlacement
from portraits.head import Head

from ..experiments.guided_gate import FaceJudge, Scene
from ..light.pairs import aligned_frame
from .crops import IMAGE_SIZE, inside_distance, lips_apart, mouth_marks
from .filmed import MAX_TURN_DEG
from .fitting import MIN_OPENING_CM
from .network import MouthModel
from .painting import MouthPainter, own_mouth
from .rendered import person_frames

FRAMES, FLICKER_FRAMES, TARGETS_OF_PERSON = 16, 12, 4
FIRST_PERSON = 100_000  # rendered people from here on are in no training set


class Judge(FaceJudge):
    """Draws people as the warp and as the model do.

    Args:
        model: trained.
        steps: of its sampler.
    """

    def __init__(self, model: MouthModel, steps: int):
        super().__init__()
        self._model, self._steps = model, steps
        self._other: Tensor | None = None
        self._next_other: Tensor | None = None

    def scene(self, photo: Tensor, frames: list[Tensor], meshes: Tensor, runs: bool) -> Scene | None:
        """Frames of a photo's person, of which those that hardly open the mouth are left out; None if none is left."""
        reading = read_face(photo, self.landmarker, self.face_model)
        source = prepare_source(photo, reading)
        motion = mesh_motion(source, transform_mesh(meshes, reading.aligned[None]))
        opens = [k for k in range(len(motion)) if runs or lips_apart(source.shape + motion.change[k]) > MIN_OPENING_CM]
        if not opens:
            return None
        placement = HeadPlacement(*(part[opens] for part in vars(motion.placement).values()))
        motion = WarpMotion(placement, motion.change[opens])
        drawn = WarpRenderer(source, IMAGE_SIZE).render(motion)
        side = int(source.crop_side)
        truth = torch.stack([aligned_frame(frames[k], reading.aligned, side, IMAGE_SIZE) for k in opens])
        painter = MouthPainter(self._model, source, own_mouth(source), self._steps)
        started = time.process_time()
        model = painter.paint(drawn, motion)
        self.paint_ms.append(1000 * (time.process_time() - started) / len(model))
        other = None if self._other is None else painter.paint(drawn, motion, self._other)
        self._next_other = self._model.code(painter.given(drawn, motion)[0])[:1]
        meshes = zip((motion.placement.row(k) for k in range(len(motion))), source.shape + motion.change, strict=True)
        distance = torch.stack([inside_distance(mouth_marks(row, head), IMAGE_SIZE) for row, head in meshes])[:, None]
        return Scene(
            warp=drawn.images,
            model=model,
            other=other,
            truth=truth,
            oracle=torch.lerp(drawn.images, truth, (distance + 0.5).clamp(0, 1) * (1 - drawn.confidence)),
            inside=distance > 0,
            runs=runs,
        )

    def clip(self, path: Path) -> Iterator[Scene]:
        """A clip's open mouths, and its consecutive frames around the widest."""
        self._other = self._next_other
        frames = list(open_frames(path))
        frames, meshes = self.meshes([frames[k] for k in range(0, len(frames), max(1, len(frames) // 90))])
        if len(frames) < FLICKER_FRAMES:
            return
        openings = lip_opening(meshes)
        first = int(openings.argmin())
        rotations = fit_placement(mesh_to_plane(meshes)).rotation
        cosine = ((rotations @ rotations[first].T).diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
        near = torch.rad2deg(cosine.clamp(-1, 1).acos()) < MAX_TURN_DEG
        widest = [k for k in openings.argsort(descending=True).tolist() if near[k]][: 2 * FRAMES]
        chosen = sorted(widest[:: max(1, len(widest) // FRAMES)][:FRAMES])
        start = min(max(0, widest[0] - FLICKER_FRAMES // 2), len(frames) - FLICKER_FRAMES)
        for rows, runs in ((chosen, False), (range(start, start + FLICKER_FRAMES), True)):
            scene = self.scene(frames[first], [frames[k] for k in rows], meshes[list(rows)], runs)
            if scene is not None:
                yield scene

    def person(self, head: Head, number: int) -> Iterator[Scene]:
        """A rendered person's open mouths."""
        self._other = self._next_other
        frames = person_frames(head, FIRST_PERSON + number)
        kept, meshes = self.meshes(frames[: 1 + TARGETS_OF_PERSON])
        if kept and kept[0] is frames[0] and len(kept) > 1:
            scene = self.scene(kept[0], kept[1:], meshes[1:], False)
            if scene is not None:
                yield scene
