"""Pairs of a warped photo and the truth in the source's aligned crop of `SIZE` px, and where the photo told nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusionact.face.geometry.alignment import invert_transform
from diffusionact.face.readers.open.mesh_landmarks import PUPIL_POINTS
from diffusionact.images import uint8_to_unit
from diffusionact.warping import (
    FaceReading,
    WarpedFrames,
    WarpMotion,
    WarpRenderer,
    WarpSource,
    prepare_source,
    with_matte,
)
from diffusionact.warping.canvas import lay_out
from diffusionact.warping.photo import PhotoPreparer
from diffusionact.warping.placement import plane_to_aligned
from diffusionact.warping.rasteriser import interpolate, rasterise, value_planes
from diffusionact.warping.sampling import apply, pixel_centres, sample, side_by_side, smoothstep
from diffusionact.warping.topology import LEFT_EYE, MOUTH, RIGHT_EYE, SURROUNDINGS, load_topology
from diffusionact.warping.view import crop_output, moved_vertices, plane_to_output, still_plane

from ..experiments.shards import PairTensors

SIZE = 128
# Lids, lashes and lips lie within this of the openings that the labels tell, px of SIZE; they have rules of their own.
FEATURES_PX = 3
# The photo's rim is blurred into what lies beyond it, px of SIZE.
RIM_PX = 2
# Pairs that differ by more where the warp is sure show another light, another place or a cut, mean levels of 255.
MAX_MISS = 25.0
# Confidences between which the model's share goes from all to none; the band around it, and the turns that open it.
DOUBT, BAND_PX, BAND_TURN_DEG = (0.3, 0.7), 10, (8.0, 25.0)


@dataclass(frozen=True)
class SurfacePairs(PairTensors):
    """N targets of one source.

    Attributes:
        warped: (N, 3, S, S) uint8, the target as the warp draws it.
        truth: (N, 3, S, S) uint8, as it was.
        own: (N, 3, S, S) uint8, the source in its own aligned crop.
        confidence: (N, 1, S, S) uint8, that of the warp, 255 where it is sure.
        told: (N, 1, S, S) uint8, 255 where the warp shows what lay inside the photo, and neither eyes nor mouth.
        gate: (N, 1, S, S) uint8, how far the model may paint, see `gates`.
        known: (N, 1, S, S) uint8, 255 where the truth is known.
        landmarks: (N, 68, 2) px of the crop, of the target's mesh.
        pupils: (N, 2, 2) px of the crop.
        turn: (N,) degrees between source and target.
        miss: (N,) mean difference of warp and truth where the warp is sure, levels of 255.
    """

    warped: Tensor
    truth: Tensor
    own: Tensor
    confidence: Tensor
    told: Tensor
    gate: Tensor
    known: Tensor
    landmarks: Tensor
    pupils: Tensor
    turn: Tensor
    miss: Tensor

    def __len__(self) -> int:
        return len(self.warped)


def cut_out_source(photo: Tensor, reading: FaceReading, preparer: PhotoPreparer) -> WarpSource:
    """A photo (H, W, 3) uint8 made ready, its person cut out."""
    matte = preparer.cut_out(photo, reading.mesh)
    return with_matte(prepare_source(photo, reading), matte.alpha, matte.foreground, matte.background)


def aligned_crop(image: Tensor, aligned: Tensor, crop_side: int, size: int) -> tuple[Tensor, Tensor]:
    """An image (H, W, 3) uint8 in an aligned crop (3, size, size) in [-1, 1], and where it lies in it (1, size, size).

    Args:
        image: the frame.
        aligned: (2, 3) its px -> aligned px.
        crop_side: side of the source's crop on its canvas.
        size: of the result, px.
    """
    canvas, inside = lay_out(uint8_to_unit(image[None])[0].movedim(-1, 0), aligned, crop_side)
    margin = (canvas.shape[-1] - crop_side) // 2
    part = torch.cat([canvas * 2 - 1, inside])[None, :, margin : margin + crop_side, margin : margin + crop_side]
    crop = F.interpolate(part, size=(size, size), mode="bilinear", antialias=True)[0]
    return crop[:3], -F.max_pool2d(-crop[3:], 2 * RIM_PX + 1, 1, RIM_PX)


def shown_positions(source: WarpSource, motion: WarpMotion, index: int, size: int = SIZE) -> tuple[Tensor, Tensor]:
    """Grid coordinates (size, size, 2) of the source's canvas that a frame's mesh shows, and those that stand still.

    Where no triangle is, both are the still ones.
    """
    topology, to_output = load_topology(source.device), crop_output(size, source.device)
    still = apply(source.to_grid, apply(invert_transform(to_output[None])[0], pixel_centres(size, size, source.device)))
    plane = moved_vertices(source, motion.placement.row(index), motion.change[index], still_plane(source))
    screen = plane_to_output(plane, to_output)
    triangle = rasterise(screen, topology.faces, size, size)
    axis = torch.arange(size, device=source.device)
    moved = side_by_side(
        *interpolate(value_planes(screen, topology.faces, source.positions), triangle, axis, axis[:, None])
    )
    return torch.where((triangle >= 0)[..., None], moved, still), still


def gates(drawn: WarpedFrames, told: Tensor, turn: Tensor) -> Tensor:
    """(N, 1, S, S) in [0, 1], where the model may paint: where the warp is unsure, and in a band around it.

    What turns towards the camera grows over a background that the photo showed, so that the warp is sure of it. The
    band opens with the turn and spares the face.

    Args:
        drawn: frames of `SIZE` or a multiple.
        told: (N, 1, S, S), see `told_by_photo`.
        turn: (N,) degrees, see `degrees_apart`.
    """
    factor = drawn.images.shape[-1] // SIZE
    confidence, labels = (
        F.avg_pool2d(layer.float(), factor) for layer in (drawn.confidence, drawn.labels >= SURROUNDINGS)
    )
    doubt = 1 - smoothstep(*DOUBT, confidence)
    band = F.avg_pool2d(F.max_pool2d(doubt, 2 * BAND_PX + 1, 1, BAND_PX), 5, 1, 2)
    band = band * labels * smoothstep(*BAND_TURN_DEG, turn)[:, None, None, None]
    return told * torch.maximum(doubt, band)


def told_by_photo(source: WarpSource, motion: WarpMotion, drawn: WarpedFrames) -> Tensor:
    """(N, 1, S, S) in [0, 1], 1 where frames of `SIZE` or a multiple show what lay in the photo, no eyes, no mouth."""
    size = drawn.images.shape[-1]
    factor = size // SIZE
    result = []
    for index in range(len(motion)):
        moved, still = shown_positions(source, motion, index)
        inside = torch.minimum(sample(source.inside, moved), sample(source.inside, still))
        inside = -F.max_pool2d(-inside, 2 * RIM_PX + 1, 1, RIM_PX)
        labels = drawn.labels[index]
        features = ((labels == RIGHT_EYE) | (labels == LEFT_EYE) | (labels == MOUTH)).float()
        features = F.max_pool2d(F.max_pool2d(features, factor), 2 * FEATURES_PX + 1, 1, FEATURES_PX)
        result.append(inside * (1 - features))
    return torch.stack(result)


def target_points(source: WarpSource, motion: WarpMotion) -> tuple[Tensor, Tensor]:
    """Landmarks (N, 68, 2) and pupils (N, 2, 2) of a motion, px of a crop of `SIZE`."""
    matrix = load_topology(source.device).landmark_matrix
    plane = motion.placement.place(source.shape + motion.change)
    points = apply(crop_output(SIZE, source.device), plane_to_aligned(plane)[..., :2])
    return matrix @ points, points[:, list(PUPIL_POINTS)]


def degrees_apart(source: WarpSource, motion: WarpMotion) -> Tensor:
    """(N,) degrees between the head of the source and that of each frame."""
    trace = (motion.placement.rotation * source.rotation).sum(dim=(1, 2))
    return torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())


def surface_pairs(
    source: WarpSource, aligned: Tensor, motion: WarpMotion, photo: Tensor, frames: list[Tensor], to_frames: Tensor
) -> SurfacePairs:
    """A source warped by a motion of N rows beside N true frames (H, W, 3) uint8.

    Args:
        source: made ready.
        aligned: (2, 3) px of its photo -> aligned px.
        motion: of the targets.
        photo: (H, W, 3) uint8, the source's.
        frames: the targets.
        to_frames: (2, 3) px of the frames -> aligned px; another than `aligned` where the photo was cut.
    """
    side = int(source.crop_side)
    drawn = WarpRenderer(source, SIZE).render(motion)
    own, _ = aligned_crop(photo, aligned, side, SIZE)
    truth, known = (
        torch.stack(parts) for parts in zip(*(aligned_crop(f, to_frames, side, SIZE) for f in frames), strict=True)
    )
    told = told_by_photo(source, motion, drawn)
    turn = degrees_apart(source, motion)
    landmarks, pupils = target_points(source, motion)
    return SurfacePairs(
        warped=levels(drawn.images),
        truth=levels(truth),
        own=levels(own)[None].expand(len(frames), -1, -1, -1),
        confidence=(255 * drawn.confidence).round().to(torch.uint8),
        told=(255 * told).round().to(torch.uint8),
        gate=(255 * gates(drawn, told, turn)).round().to(torch.uint8),
        known=(255 * known).round().to(torch.uint8),
        landmarks=landmarks,
        pupils=pupils,
        turn=turn,
        miss=missed_levels(drawn, truth, told * known),
    )


def missed_levels(drawn: WarpedFrames, truth: Tensor, compared: Tensor) -> Tensor:
    """(N,) mean difference of frames and truth (N, 3, S, S), levels of 255, where the warp is sure.

    `compared` (N, 1, S, S) in [0, 1] says where the two may be compared.
    """
    sure = ((drawn.confidence > 0.5) & (compared > 0.5)).float()
    away = (drawn.images - truth).abs().mean(1, keepdim=True) * 127.5
    return (away * sure).sum(dim=(1, 2, 3)) / sure.sum(dim=(1, 2, 3)).clamp(min=1)


def levels(images: Tensor) -> Tensor:
    """uint8 of images in [-1, 1], of any layout."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
