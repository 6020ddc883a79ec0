"""Makes a photo ready to be warped: once per source."""

from __future__ import annotations

import torch
from torch import Tensor

from ..checks import check_frames, describe
from ..face.open_face_model import OpenFaceModel
from ..types import FaceCoefficients
from .canvas import aligned_to_grid, cut_canvas
from .confidence import facing, visible
from .eyes import prepare_eyes
from .mouth import prepare_mouth
from .placement import ALIGNED_SIZE, fit_placement, mesh_to_plane, model_origin, place_on_axis, transform_mesh
from .sampling import apply
from .surroundings import surround
from .topology import NUM_FACE, NUM_MESH
from .values import PersonLayers, WarpSource

# Face points whose colours tell the light on the skin: cheeks and forehead.
SKIN_POINTS = (50, 101, 280, 330, 9, 151, 108, 337, 205, 425)


def prepare_source(
    photo: Tensor, mesh: Tensor, aligned: Tensor, coefficients: FaceCoefficients, gaze: Tensor
) -> WarpSource:
    """A photo's source, without a matte; `with_layers` adds one.

    Args:
        photo: (H, W, 3) uint8.
        mesh: (478, 3) px of the photo, as `FaceLandmarker` gives it.
        aligned: (2, 3) photo px -> aligned crop of 256 px.
        coefficients: the photo's own, one row, of the open face model; camera in the aligned crop.
        gaze: (1, 2) pitch, yaw in radians.

    Raises:
        ValueError: if photo or mesh have another shape.
    """
    check_frames("photo", photo[None])
    if tuple(mesh.shape) != (NUM_MESH, 3):
        raise ValueError(
            f"Expected mesh as (478, 3) px of the photo, received {describe(mesh)}; pass one face of FaceLandmarker."
        )
    mesh = mesh.float()
    canvas = cut_canvas(photo.to(mesh.device), aligned.to(mesh))
    in_aligned = transform_mesh(mesh[None], aligned.to(mesh)[None])
    placement = fit_placement(mesh_to_plane(in_aligned))
    placement = place_on_axis(placement, coefficients.rotation, coefficients.camera, _origin(mesh.device))
    shape = placement.to_head(mesh_to_plane(in_aligned))[0]
    rings = surround(in_aligned[0], shape, placement, ALIGNED_SIZE / 2 * canvas.side / canvas.crop_side)
    to_grid = aligned_to_grid(canvas.crop_side, mesh.device)
    points = apply(to_grid, torch.cat([in_aligned[0, :, :2], rings.aligned]))
    head = torch.cat([shape[:NUM_FACE], rings.points])
    placed = placement.place(head[None])[0]
    mouth_frame, mouth_inside = prepare_mouth(canvas.texture, points[:NUM_MESH])
    whole = torch.ones_like(canvas.inside)
    return WarpSource(
        aligned=aligned.to(mesh),
        crop_side=torch.tensor(canvas.crop_side, device=mesh.device),
        texture=canvas.texture,
        inside=canvas.inside,
        matte=whole,
        colour=canvas.texture,
        background=canvas.texture,
        background_seen=0 * whole,
        separable=mesh.new_zeros(()),
        shape=shape,
        rotation=placement.rotation,
        scale=placement.scale,
        shift=placement.shift,
        ring_points=rings.points,
        ring_follow=rings.follow,
        weight=torch.cat([mesh.new_ones(NUM_FACE), rings.weight]),
        places=torch.cat([points[:NUM_FACE], points[NUM_MESH:]]),
        seen=torch.minimum(facing(placed), visible(placed, placement.scale)),
        **vars(prepare_eyes(canvas.texture, points[:NUM_MESH])),
        mouth_frame=mouth_frame,
        mouth_inside=mouth_inside,
        light=_light(canvas.texture, points),
        rotation_values=coefficients.rotation,
        camera=coefficients.camera,
        expression=coefficients.expression,
        gaze=gaze,
    )


def with_layers(source: WarpSource, layers: PersonLayers) -> WarpSource:
    """The source with its person separated from the background.

    Raises:
        ValueError: if the layers do not have the canvas' size.
    """
    side = source.texture.shape[-1]
    if tuple(layers.matte.shape) != (1, side, side):
        raise ValueError(
            f"Expected a matte on the canvas, (1, {side}, {side}), received {describe(layers.matte)}; make it from the "
            f"source's texture."
        )
    return WarpSource(**{**source.tensors(), **vars(layers), "separable": torch.ones_like(source.separable)})


def _origin(device: torch.device) -> Tensor:
    return model_origin(OpenFaceModel.from_bundled()).to(device)


def _light(texture: Tensor, points: Tensor) -> Tensor:
    """(3,) the middle colour of the skin."""
    side = texture.shape[-1]
    pixel = ((points[list(SKIN_POINTS)] + 1) / 2 * side).long().clamp(0, side - 1)
    return texture[:, pixel[:, 1], pixel[:, 0]].median(dim=1).values
