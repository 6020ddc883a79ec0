"""A photo with a face -> a source made ready to be warped, its person cut out of the background."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import images
from ..face.geometry.alignment import compose_transforms, invert_transform
from ..face.geometry.resize import resize_transform
from ..face.readers.open.landmarker import FaceLandmarker
from ..types import FaceCoefficients
from .canvas import MAX_CROP_SIDE, photo_side
from .matte import Matte, extract_matte
from .placement import ALIGNED_SIZE, transform_mesh
from .reading import FaceReading, find_face
from .segmenter import PersonSegmenter
from .source import prepare_source, with_alpha, with_matte
from .values import WarpSource

# Photos of more pixels are cut to this square around the face, in sides of its crop: it holds the canvas, however it
# is turned, and the widest cut of the segmenter.
MAX_PIXELS = 2_000_000
PART_SIDES = 2.5
# A photo with transparency that shows less than this beside the head, shares of the canvas, shows no background.
BESIDE_HEAD, MIN_BACKGROUND = (0.2, 0.5, 0.22), 0.5


class PhotoPreparer(nn.Module):
    """The bundled nets that look at a photo once: face mesh and person."""

    def __init__(self) -> None:
        super().__init__()
        self.landmarker, self.segmenter = FaceLandmarker(), PersonSegmenter()
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(
        self,
        photo: Tensor,
        landmarks: Tensor,
        aligned: Tensor,
        coefficients: FaceCoefficients,
        gaze: Tensor,
        has_matte: bool = True,
        alpha: Tensor | None = None,
    ) -> WarpSource:
        """Make the face of a photo ready.

        Args:
            photo: (H, W, 3) uint8 on the device of the nets.
            landmarks: (68, 2) px of the face in the photo, as a face reader found it.
            aligned: (2, 3) photo px -> aligned crop of 256 px.
            coefficients: that reader's, one row, of the open face model; with them the photo stays as it is.
            gaze: (1, 2) pitch, yaw in radians, likewise.
            has_matte: cut the person out; without, the photo bends as a whole, which serves where the head
                stays as it is, in less than half of the time.
            alpha: (H, W) uint8 of the photo, whose colours go on where it is 0; None where it is opaque. The alpha of
                a person who was cut out is their matte.

        Raises:
            NoFaceFoundError: if the mesh net finds no face.
        """
        faces, row = find_face(photo, self.landmarker, landmarks)
        part, to_part = working_part(photo, aligned)
        mesh = transform_mesh(faces.points[row : row + 1], to_part[None])[0]
        in_part = compose_transforms(aligned[None], invert_transform(to_part[None]))[0]
        source = prepare_source(part, FaceReading(mesh, in_part, coefficients, gaze))
        if not has_matte:
            return replace(source, aligned=aligned.to(source.aligned))
        matte = self.cut_out(part, mesh)
        opacity = None if alpha is None else _unit(working_part(alpha[..., None].expand_as(photo), aligned)[0])[:, :1]
        source = _taken_apart(source, _unit(part), matte, opacity)
        return replace(source, aligned=aligned.to(source.aligned))

    @torch.no_grad()
    def cut_out(self, photo: Tensor, mesh: Tensor) -> Matte:
        """The person with a face, mesh (478, 2 or more) px, cut out of a photo uint8 (H, W, 3)."""
        image = _unit(photo)
        return extract_matte(image, self.segmenter.look(image, mesh), mesh)


def _unit(photo: Tensor) -> Tensor:
    """uint8 (H, W, 3) -> (1, 3, H, W) in [0, 1]."""
    return images.uint8_to_unit(photo[None]).movedim(-1, 1)


def _taken_apart(source: WarpSource, image: Tensor, matte: Matte, opacity: Tensor | None) -> WarpSource:
    """The source with its person apart from the background, by what was recognised and by the photo's own alpha."""
    if opacity is None:
        return with_matte(source, matte.alpha, matte.foreground, matte.background)
    shown = with_alpha(source, opacity)
    if _shown_beside_head(shown.alpha) < MIN_BACKGROUND:
        return with_matte(source, opacity, image, image, is_exact=True)
    return with_matte(shown, matte.alpha * opacity, matte.foreground, matte.background)


def _shown_beside_head(alpha: Tensor) -> float:
    """Mean of the alpha (1, side, side) of a canvas to both sides of the head."""
    side = alpha.shape[-1]
    top, bottom, wide = (round(share * side) for share in BESIDE_HEAD)
    rows = alpha[:, top:bottom]
    return float(torch.cat([rows[..., :wide], rows[..., -wide:]], dim=-1).mean())


def working_part(photo: Tensor, aligned: Tensor) -> tuple[Tensor, Tensor]:
    """What of a photo the canvas can show, so that work and memory do not grow with a large photo.

    Args:
        photo: (H, W, 3) uint8.
        aligned: (2, 3) photo px -> aligned px.

    Returns:
        (h, w, 3) uint8, the photo itself where it is not large; and (2, 3) photo px -> its px.
    """
    height, width = photo.shape[:2]
    side = photo_side(aligned)
    left, top, right, bottom = 0, 0, width, height
    if height * width > MAX_PIXELS:
        middle = aligned.new_tensor([ALIGNED_SIZE / 2, ALIGNED_SIZE / 2, 1.0])
        x, y = (invert_transform(aligned[None])[0] @ middle).tolist()
        reach = PART_SIDES / 2 * side
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        right, bottom = min(width, int(x + reach) + 1), min(height, int(y + reach) + 1)
    part = photo[top:bottom, left:right]
    shift = aligned.new_tensor([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    shrink = side / MAX_CROP_SIDE
    if shrink <= 1.0:
        return part, shift
    size = tuple(max(1, round(length / shrink)) for length in part.shape[:2])
    resized = F.interpolate(images.uint8_to_model(part[None]), size=size, mode="bicubic", antialias=True)
    to_size = resize_transform(tuple(part.shape[:2]), size).to(aligned)
    return images.model_to_uint8(resized)[0], compose_transforms(to_size, shift[None])[0]
