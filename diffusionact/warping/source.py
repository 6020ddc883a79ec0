"""Makes a photo ready to be warped: once per source."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_frames, describe
from ..face.readers.open.face_model import OpenFaceModel
from .beyond import Layers, continue_beyond
from .canvas import aligned_to_grid, canvas_side, crop_side_of, lay_out, lay_out_matte
from .confidence import facing, visible
from .eyes import prepare_eyes
from .far_half import seen_aside
from .light import light_on_skin
from .mouth import prepare_mouth
from .outline import depth_on_outline, find_outline
from .placement import (
    ALIGNED_SIZE,
    fit_placement,
    head_shape,
    mesh_to_plane,
    model_origin,
    place_on_axis,
    transform_mesh,
)
from .reading import FaceReading
from .regions import dilate
from .sampling import apply, blur, fill, mix, polygon_distance, sample, smoothstep
from .surroundings import between_person, surround
from .topology import NUM_FACE, NUM_MESH, OVAL
from .unseen_skin import skin_light
from .values import WarpSource
from .view import WORK_SIDE, small_grid, small_plane

# Face points whose colours tell the light on the skin: cheeks and forehead.
SKIN_POINTS = (50, 101, 280, 330, 9, 151, 108, 337, 205, 425)
# Pixels with less of the person than this show the background as it is.
FREE_OF_PERSON = 0.02
# Background seen between strands: difference from the background's colour, distance from the outline and heights, cm;
# the blur of the differences, px of the small canvas.
OTHER_COLOUR, GAP_CM, JAW_CM, GAP_BLUR = (0.16, 0.08), 1.5, (-9.0, -6.0), 0.7


def prepare_source(photo: Tensor, face: FaceReading) -> WarpSource:
    """A photo's source, without a matte; `with_matte` adds one.

    Args:
        photo: (H, W, 3) uint8.
        face: what `read_face` saw in it. Where a pipeline has coefficients of its own for this photo, they take the
            place of the reading's, so that they leave the photo as it is.

    Raises:
        ValueError: if photo or mesh have another shape.
    """
    check_frames("photo", photo[None])
    if tuple(face.mesh.shape) != (NUM_MESH, 3):
        raise ValueError(
            f"Expected a mesh (478, 3) px of the photo, received {describe(face.mesh)}; pass what read_face returns."
        )
    aligned = face.aligned.to(face.mesh).float()
    crop_side = crop_side_of(aligned)
    texture, inside = lay_out(photo.to(aligned.device).permute(2, 0, 1).float() / 255.0, aligned, crop_side)
    geometry = _geometry(face, aligned, crop_side)
    points, plane = geometry.pop("mesh"), geometry.pop("plane")
    face_plane = plane[:NUM_FACE]
    aside = seen_aside(geometry["rotation"][0], geometry["shape"][:NUM_FACE], face_plane)
    mouth_frame, mouth_inside = prepare_mouth(texture, points)
    whole = torch.ones_like(inside)
    skin = skin_light(texture, whole, geometry["positions"], face_plane, aside)
    shown = geometry["seen"] * sample(inside, geometry["positions"])[0]
    return WarpSource(
        aligned=aligned,
        crop_side=torch.tensor(crop_side, device=aligned.device),
        texture=texture,
        inside=inside,
        matte=whole,
        colour=texture,
        background=texture,
        background_seen=0 * whole,
        separable=aligned.new_zeros(()),
        **geometry,
        **vars(prepare_eyes(texture, points)),
        mouth_frame=mouth_frame,
        mouth_inside=mouth_inside,
        skin_light=skin,
        light=_light(texture, points),
        broad_light=light_on_skin(skin, geometry["positions"], shown, plane),
        rotation_values=face.coefficients.rotation,
        camera=face.coefficients.camera,
        expression=face.coefficients.expression,
        gaze=face.gaze,
    )


def _geometry(face: FaceReading, aligned: Tensor, crop_side: int) -> dict[str, Tensor]:
    """The fields of `WarpSource` that the mesh alone decides.

    Further `mesh` (478, 2), its grid coordinates, and `plane` (N, 3), all vertices.
    """
    mesh = transform_mesh(face.mesh.float()[None], aligned[None])
    placement = fit_placement(mesh_to_plane(mesh))
    origin = model_origin(OpenFaceModel.from_bundled()).to(mesh)
    placement = place_on_axis(placement, face.coefficients.rotation, face.coefficients.camera, origin)
    shape = head_shape(placement, mesh_to_plane(mesh))[0]
    rings = surround(mesh[0], shape, placement, ALIGNED_SIZE / 2 * canvas_side(crop_side) / crop_side)
    to_grid = aligned_to_grid(crop_side, mesh.device)
    points, around = apply(to_grid, mesh[0, :, :2]), apply(to_grid, rings.aligned)
    placed = placement.place(torch.cat([shape[:NUM_FACE], rings.points])[None])[0]
    return {
        "mesh": points,
        "plane": placed,
        "to_grid": to_grid,
        "shape": shape,
        **vars(placement),
        "ring_points": rings.points,
        "ring_follow": rings.follow,
        "ring_skirt": rings.skirt,
        "weight": torch.cat([mesh.new_ones(NUM_FACE), rings.weight]),
        "positions": torch.cat([points[:NUM_FACE], around]),
        "seen": torch.minimum(facing(placed), visible(placed, placement.scale)),
    }


def with_matte(
    source: WarpSource, alpha: Tensor, foreground: Tensor, background: Tensor, is_exact: bool = False
) -> WarpSource:
    """The source with its person separated from the background.

    Args:
        source: made ready.
        alpha: (1, 1, H, W) in [0, 1], how much of a pixel of the photo is the person.
        foreground: (1, 3, H, W) in [0, 1], the person's own colour without background in it.
        background: (1, 3, H, W) in [0, 1], the background, filled behind the person.
        is_exact: alpha is known, not estimated: no gap is looked for in it.

    Raises:
        ValueError: if the layers are no images of one size.
    """
    layers = (alpha, foreground, background)
    wanted = [(1, channels, *alpha.shape[2:]) for channels in (1, 3, 3)]
    if [tuple(layer.shape) for layer in layers] != wanted:
        raise ValueError(
            f"Expected alpha, foreground and background as (1, 1, H, W) and twice (1, 3, H, W) of the photo's size, "
            f"received {', '.join(describe(layer) for layer in layers)}; make all three from the photo."
        )
    alpha, foreground, background = (layer[0].to(source.texture) for layer in layers)
    colours, _ = lay_out(torch.cat([foreground, background]), source.aligned, int(source.crop_side))
    matte = lay_out_matte(alpha, source.aligned, int(source.crop_side))
    layers = Layers(source.texture, matte, *colours.split(3))
    if bool((source.inside < 1).any()):
        layers = continue_beyond(source, layers, (alpha.shape[1], alpha.shape[2]))
    matte = layers.matte
    plane = source.placement.place(source.shape[None, :NUM_FACE])[0]
    aside = seen_aside(source.rotation[0], source.shape[:NUM_FACE], plane)
    matte = matte if is_exact else _without_gaps(source, matte, layers.background)
    fitted = depth_on_outline(source, find_outline(source, matte))
    changed = {
        "ring_points": fitted,
        "ring_skirt": source.ring_skirt * between_person(sample(matte, source.positions[NUM_FACE:])[0]),
        "skin_light": skin_light(source.texture, matte, source.positions, plane, aside),
        "texture": layers.photo,
        "matte": matte,
        "colour": _continued(layers.person, matte),
        "background": layers.background,
        "background_seen": blur((matte < FREE_OF_PERSON).float(), 1.0) * source.inside,
        "separable": torch.ones_like(source.separable),
    }
    return WarpSource(**{**source.tensors(), **changed})


def with_alpha(source: WarpSource, alpha: Tensor) -> WarpSource:
    """The source of a photo whose background is partly transparent, by its alpha (1, 1, H, W) in [0, 1]."""
    return replace(source, alpha=lay_out_matte(alpha[0].to(source.texture), source.aligned, int(source.crop_side)))


def _without_gaps(source: WarpSource, matte: Tensor, background: Tensor) -> Tensor:
    """The matte without what is background seen between strands of hair: close to the outline, and of its colour."""
    cm = float(torch.linalg.det(source.to_grid[:, :2]).abs().sqrt() * 128 * source.scale * WORK_SIDE / 2)
    layers = torch.cat([source.texture, background, matte])[None]
    small = F.interpolate(layers, size=(WORK_SIDE, WORK_SIDE), mode="area")[0]
    like = smoothstep(*OTHER_COLOUR, blur((small[:3] - small[3:6]).abs(), GAP_BLUR).amax(0))
    outside = dilate((small[None, 6:] < FREE_OF_PERSON).float(), max(1, round(GAP_CM * cm)))[0]
    gap = like * blur(outside, GAP_BLUR) * _beside_head(source)
    gap = F.interpolate(gap[None], size=matte.shape[1:], mode="bilinear")[0]
    return matte * (1 - gap)


def _beside_head(source: WarpSource) -> Tensor:
    """(1, WORK_SIDE, WORK_SIDE) 1 outside of the face oval and above the jaw."""
    grid = small_grid(source.device)
    away = -polygon_distance(*grid.unbind(-1), source.positions[list(OVAL)]) * WORK_SIDE / 2
    height = source.placement.to_head(small_plane(source)[None])[0, :, 1].view_as(away)
    return (smoothstep(1.0, 3.0, away) * smoothstep(*JAW_CM, height))[None]


def _continued(colour: Tensor, matte: Tensor) -> Tensor:
    """The person's colour (3, side, side), going on smoothly where there is no person."""
    side = colour.shape[-1]
    size = (WORK_SIDE, WORK_SIDE)
    small, cover = F.interpolate(torch.cat([colour, matte])[None], size=size, mode="area")[0].split([3, 1])
    outside = fill(small, (cover > 0.9).float(), (1.5, 4.0, 10.0))
    outside = F.interpolate(outside[None], size=(side, side), mode="bilinear")[0]
    return mix(outside, colour, smoothstep(0.02, 0.4, matte))


def _light(texture: Tensor, points: Tensor) -> Tensor:
    """(3,) the middle colour of the skin."""
    side = texture.shape[-1]
    pixel = ((points[list(SKIN_POINTS)] + 1) / 2 * side).long().clamp(0, side - 1)
    return texture[:, pixel[:, 1], pixel[:, 0]].median(dim=1).values
