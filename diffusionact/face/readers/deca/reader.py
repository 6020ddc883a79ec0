"""DECA's coefficients of faces in square crops that are not turned, as "Finding Directions" reads them; no gaze."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ....types import CropTransform, map_tensors
from ...geometry.square_crop import square_crop
from ..emoca.aligned_image import ALIGNED_SIZE
from ..emoca.components import DecaNetworks, load_deca_networks
from ..emoca.crops import crop_for_deca
from ..emoca.face_measuring import MeasuredFace
from ..emoca.reader import AlignedCrop, EmocaFaceReader


def upright_square(frame: Tensor, landmarks: Tensor) -> tuple[Tensor, CropTransform]:
    """The aligned image uint8 (256, 256, 3) and its crop, of a frame uint8 (H, W, 3) and landmarks (1, 68, 2) px.

    The official code resizes every image to a width of 1,000 px before; here it is cut at its own size.
    """
    aligned, crop = square_crop(frame, landmarks[0], ALIGNED_SIZE)
    return aligned.to(frame.device), map_tensors(crop, lambda tensor: tensor.to(frame.device))


class DecaFaceReader(EmocaFaceReader):
    """Reads faces with DECA; see `FaceReader`. The gaze is always straight ahead: DECA measures none.

    Args:
        networks: from `load_deca_networks`.
    """

    name = "deca"

    def __init__(self, networks: DecaNetworks):
        super().__init__(networks)

    @classmethod
    def from_folder(cls, folder: Path) -> DecaFaceReader:
        """See `EmocaFaceReader.from_folder`."""
        return cls(load_deca_networks(folder))

    def _frame_crop(self) -> AlignedCrop:
        return upright_square

    @torch.no_grad()
    def _measure(self, image: Tensor, landmarks: Tensor) -> MeasuredFace:
        codes = self.networks.deca_encoder(crop_for_deca(image, landmarks))
        return MeasuredFace(landmarks, codes.coefficients(), landmarks.new_zeros(len(landmarks), 2))
