"""Several faces of one photo, each with poses of its own, laid back in one pass from the farthest to the nearest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_frames
from ..face.errors import NoFaceFoundError
from ..face.paste_back import paste_back
from ..generation import Sampling
from ..generation.whole_photo import WholePhoto, moves_whole
from ..types import FacePose, SourceCodes
from .reenactment import DiffusionActPipeline


@dataclass(frozen=True)
class _Member:
    """One face: its codes, and the photo moving with it, where the engine can do that."""

    source: SourceCodes
    whole: WholePhoto | None


class GroupPhoto:
    """A photo in which some faces move; the others stay as they are.

    Args:
        pipeline: any engine; the engine `warp` moves heads with their hair, others are pasted back.
        photo: uint8 (H, W, 3).
        faces: which move, by index, 0 the largest.
        num_inversion_steps: of engines that invert; None takes the model's own number.
        feather: soft edge of a paste, share of the face's square.

    Attributes:
        sources: their codes, in the order of `faces`.

    Raises:
        NoFaceFoundError: if the photo has no such face.
        ValueError: if a face is named twice, or none is.
    """

    def __init__(
        self,
        pipeline: DiffusionActPipeline,
        photo: Tensor,
        faces: Sequence[int],
        num_inversion_steps: int | None = None,
        feather: float = 0.1,
    ):
        if not faces or len(set(faces)) != len(faces):
            raise ValueError(f"Expected different faces to move, received {list(faces)}. Name each of them once.")
        sources = pipeline.encode_sources(photo, faces, num_inversion_steps)
        self._assemble(pipeline, photo, sources, feather)

    @classmethod
    def of_sources(
        cls, pipeline: DiffusionActPipeline, photo: Tensor, sources: Sequence[SourceCodes], feather: float = 0.1
    ) -> GroupPhoto:
        """A group whose faces are encoded already.

        Args:
            pipeline: encoded them.
            photo: uint8 (H, W, 3), also at another size than it was encoded at, if the sources' `crop` is for that.
            sources: of the faces that move.
            feather: soft edge of a paste, share of the face's square.
        """
        group = cls.__new__(cls)
        group._assemble(pipeline, photo, sources, feather)
        return group

    def _assemble(
        self, pipeline: DiffusionActPipeline, photo: Tensor, sources: Sequence[SourceCodes], feather: float
    ) -> None:
        check_frames("photo", photo[None])
        self._pipeline, self._photo, self._feather = pipeline, photo.cpu(), feather
        self.sources = list(sources)
        self._members = [self._member(source) for source in self.sources]
        # A larger face is nearer to the camera.
        sides = [float(torch.linalg.det(source.crop.matrix[0, :, :2]).abs()) for source in self.sources]
        self._far_to_near = sorted(range(len(sides)), key=lambda index: -sides[index])

    def stream(
        self,
        poses: Sequence[Iterator[FacePose]],
        sampling: Sampling = Sampling(),  # noqa: B008 - frozen
    ) -> Iterator[Tensor]:
        """Yield whole frames uint8 (H, W, 3) on the CPU until the first of the poses ends.

        Args:
            poses: of each face, one row per frame, in the order of `faces`.
            sampling: of engines that sample.

        Raises:
            ValueError: if there are not as many as faces.
        """
        if len(poses) != len(self._members):
            raise ValueError(
                f"Expected poses for {len(self._members)} faces, received {len(poses)}. Give each its own."
            )
        for rows in zip(*poses, strict=False):
            yield self.frame(rows, sampling)

    def frame(self, poses: Sequence[FacePose], sampling: Sampling) -> Tensor:
        """One whole frame uint8 (H, W, 3) on the CPU, of a pose (one row) for each face."""
        frame = self._photo.clone()
        for index in self._far_to_near:
            self._lay(frame, self._members[index], poses[index], sampling)
        return frame

    def _member(self, source: SourceCodes) -> _Member:
        engine = self._pipeline.engine
        whole = WholePhoto(engine, source, self._photo) if moves_whole(engine, source) else None
        return _Member(source, whole)

    @torch.no_grad()
    def _lay(self, frame: Tensor, member: _Member, pose: FacePose, sampling: Sampling) -> None:
        """Lay one face over a frame, in place."""
        if member.whole is not None:
            member.whole.lay_changes(frame, member.whole.render(pose))
            return
        conditioning = self._pipeline.reenact(member.source, pose)
        face = self._pipeline.decode(member.source, conditioning, sampling.num_inference_steps, sampling.scheduler)
        frame.copy_(paste_back(frame.to(face.device)[None], face, member.source.crop, self._feather)[0].cpu())


def face_at(pipeline: DiffusionActPipeline, photo: Tensor, x: float, y: float) -> int:
    """Index of the face whose middle is nearest to a point of a photo uint8 (H, W, 3), px.

    Raises:
        NoFaceFoundError: if the photo shows no face.
    """
    boxes = pipeline.face_reader.faces_in(photo.to(pipeline.face_device))
    if not len(boxes):
        raise NoFaceFoundError("Expected a photo with faces, received one in which none was found. Use a larger one.")
    middles = boxes.view(-1, 2, 2).mean(1)
    return int((middles - middles.new_tensor([x, y])).norm(dim=-1).argmin())
