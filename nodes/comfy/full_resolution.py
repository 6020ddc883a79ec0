"""Frames at the photo's own resolution: the inputs that choose it, detail for faces, and whole images that move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from comfy_api.latest import io
from torch import Tensor

from ...diffusionact import images
from ...diffusionact.generation.photo_detail import PhotoDetail, has_warp
from ...diffusionact.generation.warp import WarpEngine
from ...diffusionact.generation.whole_photo import WholePhoto
from ...diffusionact.pipelines import ReenactedFrame, SizedOutput
from ...diffusionact.pipelines.full_resolution import SOURCE_SIZE, output_side
from ...diffusionact.types import FacePose, map_tensors
from .conversion import to_frames, to_image, to_model, warping_device
from .model_management import LoadedModel
from .pasting import Pasting, crop_of
from .progress import NodeProgress
from .values import Pose, Source

MODEL_SIZE = "model"
SIDES = ("512", "768", "1024", "1536", "2048")


def resolution_input(with_model_size: bool) -> io.Input:
    """The input `resolution`."""
    own = f"{MODEL_SIZE} is the model's own size. " if with_model_size else ""
    return io.Combo.Input(
        "resolution",
        options=[*([MODEL_SIZE] if with_model_size else []), SOURCE_SIZE, *SIDES],
        default=MODEL_SIZE if with_model_size else SOURCE_SIZE,
        optional=with_model_size,
        tooltip=f"Side of the face, pixels. {own}{SOURCE_SIZE} is the face's own resolution in its image, at most 1024 "
        "pixels. The fine detail comes from the image itself; what it does not show stays as the model gives it.",
    )


def chosen_size(resolution: str) -> str | int:
    """What the library calls a choice of `resolution_input`."""
    return resolution if resolution == SOURCE_SIZE else int(resolution)


def with_detail(faces: Tensor, source: Source, pose: Pose, resolution: str) -> Iterator[Tensor]:
    """Yield faces (1, 3, N, N) in [-1, 1] with the detail of the source's image.

    Args:
        faces: IMAGE (F, S, S, 3 or 4), from Decode.
        source: that they show.
        pose: F rows, in which they were rendered.
        resolution: a choice of `resolution_input`.

    Raises:
        ValueError: if the numbers of frames differ, the faces are larger than the resolution, or the source or pose
            was read with another face model than the open one.
    """
    if len(faces) != len(pose.rows.found) or faces.shape[1] != faces.shape[2]:
        raise ValueError(
            f"Expected square faces and as many poses, received {len(faces)} images of {faces.shape[2]} x "
            f"{faces.shape[1]} px and {len(pose.rows.found)} poses. Connect Decode, and the pose that Reenact has."
        )
    side = output_side(source.codes, chosen_size(resolution), faces.shape[1])
    detail, progress = PhotoDetail(source.codes, source.image, side, warping_device()), NodeProgress(len(faces))
    for index in range(len(faces)):
        yield detail.add(to_model(faces[index : index + 1], warping_device()), row_of(pose, index))
        progress.advance_to(index + 1)


def row_of(pose: Pose, index: int) -> FacePose:
    """One frame's pose, where images are warped."""
    return map_tensors(pose.rows, lambda tensor: tensor[index : index + 1].to(warping_device()))


def detailed_images(faces: Tensor, source: Source, pose: Pose, resolution: str) -> Tensor:
    """`with_detail` as an IMAGE."""
    return to_image(torch.cat([images.model_to_unit(face) for face in with_detail(faces, source, pose, resolution)]))


def moved_images(source: Source, pose: Pose | None, full: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """IMAGE and MASK of the whole image in every pose; only the results are all in memory.

    Args:
        source: of the model photo.
        pose: F rows.
        full: IMAGE (1, H, W, 3) or uint8, the source's image at any size.
        mask: MASK of the size of the image, restricts what moves.

    Raises:
        ValueError: if the source is another model's, or there are several images or no pose.
    """
    if pose is None:
        raise ValueError(
            "Expected a pose to move the whole image, received none. Connect the pose that Reenact has, or set "
            "whole_image to false."
        )
    if len(full) != 1:
        raise ValueError(
            f"Expected one original to move as a whole, received {len(full)}. Connect a single image, or set "
            "whole_image to false to paste faces over a clip."
        )
    crop, photo = crop_of(source, full), full[0] if full.dtype == torch.uint8 else to_frames(full)[0]
    codes = map_tensors(replace(source.codes, crop=crop), lambda tensor: tensor.to(warping_device()))
    whole = WholePhoto(WarpEngine().to(warping_device()), codes, photo)
    within = _within(mask, photo)
    results = to_image(torch.empty(len(pose.rows.found), *photo.shape))
    shares = to_image(torch.empty(len(pose.rows.found), *photo.shape[:2]))
    still, share, progress = images.uint8_to_unit(photo), whole.share(), NodeProgress(len(results))
    for index in range(len(results)):
        moved = images.uint8_to_unit(whole.finish(whole.render(row_of(pose, index))))
        shown = within[min(index, len(within) - 1)]
        results[index] = torch.lerp(still, moved, shown[..., None])
        shares[index] = share * shown
        progress.advance_to(index + 1)
    return results, shares


def _within(mask: Tensor | None, photo: Tensor) -> Tensor:
    """A MASK over the image as (F or 1, H, W) on the CPU."""
    if mask is None:
        return torch.ones(1, *photo.shape[:2])
    masks = mask.reshape(-1, *mask.shape[-2:]).cpu()
    if masks.shape[1:] != photo.shape[:2]:
        raise ValueError(
            f"Expected a mask of the image's size, {photo.shape[1]} x {photo.shape[0]} px, received "
            f"{masks.shape[2]} x {masks.shape[1]}. Draw it on the original."
        )
    return masks


class SizedFrames:
    """What Reenact Video makes of the model's frames: uint8 (H, W, 3), the face alone or in its image.

    Args:
        model: renders.
        source: encoded with it.
        resolution: a choice of `resolution_input`.
        pasting: how faces are laid over the source's image; None shows the face alone.

    Attributes:
        model: to stream from.
    """

    def __init__(self, model: LoadedModel, source: Source, resolution: str, pasting: Pasting | None):
        self.model, self._source, self._pasting = model, source, pasting
        self._whole: WholePhoto | None = None
        self._sized: SizedOutput | None = None
        if resolution == MODEL_SIZE:
            return
        pipeline = model.pipeline
        codes = pipeline.source_to_device(source.codes)
        if pasting is not None and has_warp(codes):
            self._whole = WholePhoto(pipeline.engine, codes, source.image)
            self.model = replace(model, pipeline=pipeline.with_engine(self._whole.engine))
        else:
            self._sized = SizedOutput(pipeline, codes, source.image, chosen_size(resolution))
            self.model = replace(model, pipeline=self._sized.pipeline)

    def finish(self, frame: ReenactedFrame) -> Tensor:
        """One output frame of one that was streamed."""
        if self._whole is not None:
            return self._whole.finish(frame.image)
        face = frame.image if self._sized is None else self._sized.finish(frame).image
        if self._pasting is None:
            return images.model_to_uint8(face)[0].cpu()
        unit = self._pasting.frame(self._source.image, face.to(self._pasting.crop.matrix.device), 0)
        return images.unit_to_uint8(unit)[0].cpu()
