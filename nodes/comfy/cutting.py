"""Images with alpha: taken apart on their way in; frames with their person cut out, or with the image's own alpha."""

from __future__ import annotations

import torch
from torch import Tensor

from ...diffusionact import images
from ...diffusionact.generation import Conditioning, Sampling
from ...diffusionact.generation.photo_detail import has_warp
from ...diffusionact.generation.warp import WarpEngine
from ...diffusionact.generation.whole_photo import WholePhoto
from ...diffusionact.transparency import continued_colours
from ...diffusionact.types import map_tensors
from .conversion import one_frame, to_image, warping_device
from .full_resolution import row_of
from .progress import NodeProgress
from .values import Pose, Source


def with_alpha(image: Tensor, transparency: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The first of an IMAGE batch as uint8 (H, W, 3), and its alpha uint8 (H, W), None where it is opaque.

    Args:
        image: IMAGE (F, H, W, 3 or 4).
        transparency: MASK as of Load Image, 1 where the image is transparent; goes before a fourth channel.

    Raises:
        ValueError: if the mask has another size than the image.
    """
    frame = one_frame(image)
    if transparency is not None and bool(transparency.any()):  # Load Image gives a small empty one for opaque images
        alpha = images.unit_to_uint8(1 - transparency.reshape(-1, *transparency.shape[-2:])[0]).cpu()
    elif image.shape[-1] == 4:
        alpha = images.unit_to_uint8(image[0, ..., 3]).cpu()
    else:
        return frame, None
    if alpha.shape != frame.shape[:2]:
        raise ValueError(
            f"Expected a transparency of the image's size, {frame.shape[1]} x {frame.shape[0]} px, received "
            f"{alpha.shape[1]} x {alpha.shape[0]}. Connect the mask of the same Load Image."
        )
    return (frame, None) if bool((alpha == 255).all()) else (continued_colours(frame, alpha), alpha)


def cut_out(source: Source, pose: Pose, whole_image: bool) -> tuple[Tensor, Tensor, Tensor]:
    """IMAGE, MASK (1 where something is shown) and RGBA IMAGE of a source in every pose; the results are in memory.

    Args:
        source: of the model photo.
        pose: F rows.
        whole_image: at its own size; else the aligned face.

    Raises:
        ValueError: if the source is another model's.
    """
    if not has_warp(source.codes):
        raise ValueError(
            "Expected a source of the model photo to cut out, received one of another model, which knows no "
            "background. Choose photo in Load DiffusionAct and encode again."
        )
    codes = map_tensors(source.codes, lambda tensor: tensor.to(warping_device()))
    engine, whole = WarpEngine().to(warping_device()), None
    if whole_image:
        whole = WholePhoto(engine, codes, source.image, True, source.alpha)
    engine, frames, progress = engine.transparent(), [], NodeProgress(len(pose.rows.found))
    for index in range(len(pose.rows.found)):
        row = row_of(pose, index)
        if whole is None:
            conditioning = Conditioning(engine.condition(codes, row))
            frames.append(images.model_to_uint8(engine.render(codes, conditioning, Sampling()))[0].cpu())
        else:
            frames.append(whole.finish(whole.render(row)))
        frames[-1][..., :3] = continued_colours(frames[-1][..., :3], frames[-1][..., 3])
        progress.advance_to(index + 1)
    rgba = to_image(images.uint8_to_unit(torch.stack(frames)))
    return rgba[..., :3], rgba[..., 3], rgba
