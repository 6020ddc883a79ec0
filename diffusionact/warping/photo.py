"""A photo with a face -> a source made ready to be warped, its person cut out of the background."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .. import images
from ..face.readers.open.landmarker import FaceLandmarker
from ..types import FaceCoefficients
from .matte import extract_matte
from .reading import FaceReading, find_face
from .segmenter import PersonSegmenter
from .source import prepare_source, with_matte
from .values import WarpSource


class PhotoPreparer(nn.Module):
    """The bundled nets that look at a photo once: face mesh and person."""

    def __init__(self) -> None:
        super().__init__()
        self.landmarker, self.segmenter = FaceLandmarker(), PersonSegmenter()
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(
        self, photo: Tensor, landmarks: Tensor, aligned: Tensor, coefficients: FaceCoefficients, gaze: Tensor
    ) -> WarpSource:
        """Make the face of a photo ready.

        Args:
            photo: (H, W, 3) uint8 on the device of the nets.
            landmarks: (68, 2) px of the face in the photo, as a face reader found it.
            aligned: (2, 3) photo px -> aligned crop of 256 px.
            coefficients: that reader's, one row, of the open face model; with them the photo stays as it is.
            gaze: (1, 2) pitch, yaw in radians, likewise.

        Raises:
            NoFaceFoundError: if the mesh net finds no face.
        """
        faces, row = find_face(photo, self.landmarker, landmarks)
        mesh = faces.points[row]
        source = prepare_source(photo, FaceReading(mesh, aligned, coefficients, gaze))
        image = images.uint8_to_unit(photo[None]).movedim(-1, 1)
        matte = extract_matte(image, self.segmenter.look(image, mesh), mesh)
        return with_matte(source, matte.alpha, matte.foreground, matte.background)
