"""Who is on a photo: dlib's residual network of face recognition, for CSIM of photos; differentiable in the images.

Embeddings of one person lie close together by Euclidean distance: about 0.3 apart, those of two people about 0.8. They
are not of unit length, and their cosine ranks worse. The weights are bundled, made by `tools/photo_identity.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from .photo_identity_crops import photo_identity_crops

WEIGHTS = Path(__file__).resolve().parent / "data" / "photo_identity" / "photo_identity.safetensors"
# Of the training images: levels from 0 to 255. Source: dlib, dnn/input.h, `input_rgb_image_sized`.
MEAN_RGB = (122.782, 117.001, 104.298)
WHITE = 255.0
EMBEDDING = 128
# (input channels, output channels, whether it halves the image) of the residual blocks, in order. Source: dlib,
# examples/dnn_face_recognition_ex.cpp, `anet_type`.
BLOCKS = (
    *[(32, 32, False)] * 3,
    (32, 64, True),
    *[(64, 64, False)] * 3,
    (64, 128, True),
    *[(128, 128, False)] * 2,
    (128, 256, True),
    *[(256, 256, False)] * 2,
    (256, 256, True),
)
# After which blocks `features` are taken: at 1/4, 1/8 and 1/16 of the image, the last of their size.
FEATURE_BLOCKS = (2, 6, 9)


class UnevenResidualBlock(nn.Module):
    """Two convolutions beside a skip connection, which is averaged 2 x 2 where the block halves the image."""

    def __init__(self, in_channels: int, channels: int, halves: bool):
        super().__init__()
        self.halves = halves
        # dlib pads with zeros only where the image keeps its size.
        self.first = nn.Conv2d(in_channels, channels, 3, 2 if halves else 1, 0 if halves else 1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) -> (B, C, H / stride, W / stride), rounded up or down."""
        inner = self.second(F.relu(self.first(x)))
        skipped = F.avg_pool2d(x, 2) if self.halves else x
        shape = [max(sizes) for sizes in zip(inner.shape[1:], skipped.shape[1:], strict=True)]
        return F.relu(_filled(inner, shape) + _filled(skipped, shape))


class PhotoIdentity(nn.Module):
    """29 convolutions; dlib's gain and offset per channel are part of them.

    Attributes:
        compared_by: how embeddings are compared: "distance", Euclidean.
    """

    compared_by = "distance"

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, 2)
        self.blocks = nn.ModuleList(UnevenResidualBlock(*shape) for shape in BLOCKS)
        self.embedding = nn.Linear(BLOCKS[-1][1], EMBEDDING, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN_RGB)[:, None, None], persistent=False)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> PhotoIdentity:
        """The network with weights of any precision: float32, frozen, in evaluation mode.

        Raises:
            RuntimeError: if weights are missing, left over or of another shape.
        """
        network = cls()
        network.load_state_dict(dict(state))
        return network.eval().requires_grad_(False)

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Embeddings (B, 128), about 1.5 long.

        Args:
            images: (B, 3, H, W) RGB in [-1, 1].
            landmarks: (B, 68, 2) px of them, which place the crop.
        """
        return self.embed_crops(photo_identity_crops(images, landmarks))

    def embed_crops(self, crops: Tensor) -> Tensor:
        """Crops (B, 3, 150, 150) RGB in [-1, 1] -> embeddings (B, 128)."""
        x = self._stem(crops)
        for block in self.blocks:
            x = block(x)
        return self.embedding(x.mean((2, 3)))

    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps (B, C_l, h_l, w_l) of whole images (B, 3, H, W) in [-1, 1], C_l = 32, 64, 128, finest first."""
        x, maps = self._stem(images), []
        for block in self.blocks[: FEATURE_BLOCKS[-1] + 1]:
            x = block(x)
            maps.append(x)
        return tuple(maps[index] for index in FEATURE_BLOCKS)

    def _stem(self, images: Tensor) -> Tensor:
        levels = (images + 1.0) * (WHITE / 2)
        return F.max_pool2d(F.relu(self.stem((levels - self.mean) / 256)), 3, 2)


def load_photo_identity() -> PhotoIdentity:
    """The bundled network, on the CPU.

    Raises:
        FileNotFoundError: if its file is not there, as in the node pack of ComfyUI's registry, which evaluates nothing.
    """
    if not WEIGHTS.is_file():
        raise FileNotFoundError(
            f"Expected {WEIGHTS.name} in {str(WEIGHTS.parent)!r}, received no such file. Install the package with pip, "
            "or clone the repository."
        )
    return PhotoIdentity.from_state(load_file(WEIGHTS))


def _filled(x: Tensor, shape: list[int]) -> Tensor:
    """Zeros after the last channels, rows and columns, up to a shape (C, H, W): so dlib adds unequal tensors."""
    channels, height, width = (wanted - has for wanted, has in zip(shape, x.shape[1:], strict=True))
    return F.pad(x, (0, width, 0, height, 0, channels)) if channels or height or width else x
