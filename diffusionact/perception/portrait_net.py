"""One small network for synthetic portraits: landmarks, head pose, gaze, expression, identity, parsing, feature maps.

It is trained by `python -m train.portrait` on this repository's synthetic portraits and knows nothing else: on
photographs its figures mean little. Cheap enough to stand in a training loop, differentiable in the images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from ..face.geometry.ibug68 import EYES, NUM_LANDMARKS
from ..face.geometry.resize import resize_points
from .portrait_crops import (
    DETAIL_CROP_SIZE,
    FACE_CROP_SIZE,
    MOUTH,
    cut_squares,
    eye_squares,
    face_squares,
    landmark_extent,
    mouth_squares,
    points_in_squares,
)

NUM_EXPRESSIONS = 52
# Classes of the parsing, as in `labels.png` of the shards.
BACKGROUND, PERSON, FACE = range(3)
DETAIL_STATE = 96  # numbers that sum up both eyes, or the mouth
HEAT_STRIDE = 4  # px of the sampled image per cell of a landmark's heat map


@dataclass(frozen=True)
class PortraitReading:
    """What `PortraitNet` reads in B images.

    Attributes:
        landmarks: (B, 68, 2) px of the images, iBUG-68.
        head_pose: (B, 3) yaw, pitch, roll in degrees.
        gaze: (B, 2) pitch, yaw in radians, eye in head.
        expression: (B, 52) near [0, 1]: ARKit's blendshapes by the alphabet, as `action_names` of the synthetic shards.
        identity: (B, D) embedding of unit length.
        parsing: (B, 3, H, W) scores of background, person (hair, neck, clothes) and face.
        maps: feature maps (B, C_l, h_l, w_l) of a half, quarter, eighth and sixteenth of `sample_size`, unscaled.
    """

    landmarks: Tensor
    head_pose: Tensor
    gaze: Tensor
    expression: Tensor
    identity: Tensor
    parsing: Tensor
    maps: tuple[Tensor, ...]


class ConvNorm(nn.Sequential):
    """Convolution, batch norm, ReLU: (B, C_in, H, W) -> (B, C, H / stride, W / stride)."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1, kernel: int = 3):
        super().__init__(
            nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a skip connection."""

    def __init__(self, channels: int):
        super().__init__()
        self.first, self.second = (
            ConvNorm(channels, channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        )
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) of the same shape."""
        return F.relu(x + self.norm(self.second(self.first(x))))


def detail_branch(width: int) -> nn.Sequential:
    """Images (N, 3, 32, 32) of eyes or mouths -> (N, 2 * width, 4, 4)."""
    return nn.Sequential(
        ConvNorm(3, width),
        ConvNorm(width, 2 * width, 2),
        ConvNorm(2 * width, 2 * width, 2),
        ConvNorm(2 * width, 2 * width, 2),
    )


class PortraitNet(ModelMixin, ConfigMixin):
    """Reads portraits.

    Args:
        sample_size: side of the square the network sees, pixels; images of other sizes are resized with antialiasing.
        widths: channels at a half, quarter, eighth, sixteenth and thirty-second of that side.
        blocks: residual blocks at each.
        fused_width: channels where coarse and fine maps meet.
        face_width: channels of the branches that look at the cut out face.
        eye_width: channels of the branch that looks at the cut out eyes.
        mouth_width: channels of the branch that looks at the cut out mouth; 0 for none, and then the landmarks of eyes
            and mouth stay where the whole image shows them, which tells little of an opening mouth.
        hidden: width of the last hidden layer of head pose, gaze and expression.
        identity_dim: numbers of an embedding.

    Raises:
        ValueError: if `sample_size` is no multiple of 32.
    """

    @register_to_config
    def __init__(
        self,
        sample_size: int = 128,
        widths: tuple[int, ...] = (16, 32, 64, 96, 96),
        blocks: tuple[int, ...] = (0, 1, 1, 2, 0),
        fused_width: int = 32,
        face_width: int = 80,
        eye_width: int = 16,
        mouth_width: int = 0,
        hidden: int = 160,
        identity_dim: int = 128,
    ):
        super().__init__()
        if sample_size % 2 ** len(widths):
            raise ValueError(
                f"Expected a sample_size that is a multiple of {2 ** len(widths)}, received {sample_size}; every stage "
                "halves the image. Images of any size are resized to it."
            )
        self.stages = nn.ModuleList()
        channels = 3
        for width, count in zip(widths, blocks, strict=True):
            self.stages.append(
                nn.Sequential(ConvNorm(channels, width, 2), *(ResidualBlock(width) for _ in range(count)))
            )
            channels = width
        self.laterals = nn.ModuleList(nn.Conv2d(width, fused_width, 1) for width in widths[1:])
        self.fuse_eighth, self.fuse_quarter = (ConvNorm(fused_width, fused_width), ConvNorm(fused_width, fused_width))
        self.heat = nn.Conv2d(fused_width, NUM_LANDMARKS, 1)
        self.parse_quarter, self.parse_half = (nn.Conv2d(fused_width, 16, 1), nn.Conv2d(widths[0], 16, 1))
        self.parse = nn.Conv2d(16, 3, 3, padding=1)
        self.face = ConvNorm(widths[2] + widths[3], face_width, 2)
        self.face_state, self.face_identity = (ConvNorm(face_width, face_width), ConvNorm(face_width, face_width))
        face_numbers = face_width * (FACE_CROP_SIZE // 2) ** 2
        self.identity = nn.Linear(face_numbers, identity_dim)
        crop_cells = (DETAIL_CROP_SIZE // 8) ** 2
        self.eyes = detail_branch(eye_width)
        self.eye_state = nn.Linear(2 * 2 * eye_width * crop_cells, DETAIL_STATE)
        if mouth_width:
            self.mouth = detail_branch(mouth_width)
            self.mouth_state = nn.Linear(2 * mouth_width * crop_cells, DETAIL_STATE)
            self.eye_points = nn.Linear(DETAIL_STATE, 2 * sum(len(eye) for eye in EYES))
            self.mouth_points = nn.Linear(DETAIL_STATE, 2 * len(MOUTH))
            self.mouth_expression = nn.Linear(DETAIL_STATE, NUM_EXPRESSIONS)
        self.state = nn.Sequential(nn.Linear(face_numbers + DETAIL_STATE + 2 * NUM_LANDMARKS, hidden), nn.SiLU())
        self.head_pose, self.expression = (nn.Linear(hidden, 3), nn.Linear(hidden, NUM_EXPRESSIONS))
        self.gaze = nn.Sequential(nn.Linear(DETAIL_STATE + hidden, 64), nn.SiLU(), nn.Linear(64, 2))
        # Units of head pose and gaze, so that layers work with numbers near 1: degrees and radians.
        self.register_buffer("state_scale", torch.tensor([20.0, 10.0, 6.0, 0.15, 0.25]))
        # Measured after training, see `train/portrait/calibration.py`.
        self.register_buffer("map_scales", torch.ones(len(widths) - 1))
        self.register_buffer("style_scales", torch.ones(2 * sum(widths[1:4])))

    def forward(self, images: Tensor) -> PortraitReading:
        """Read images; face, eyes and mouth are cut out where the network itself finds them.

        Args:
            images: (B, 3, H, H) in [-1, 1], RGB, aligned portraits.
        """
        square = self.resize(images)
        stages, fused = self.look(square)
        landmarks = self.find_landmarks(fused)
        reading = self.read(square, stages, fused, landmarks, landmarks.detach())
        landmarks = resize_points(reading.landmarks, self.config.sample_size, images.shape[-1])
        parsing = F.interpolate(reading.parsing, size=images.shape[-2:], mode="bilinear", align_corners=False)
        return replace(reading, landmarks=landmarks, parsing=parsing)

    def resize(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, H) -> (B, 3, sample_size, sample_size)."""
        size = (self.config.sample_size, self.config.sample_size)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
        return images.contiguous(memory_format=torch.channels_last)

    def look(self, square: Tensor) -> tuple[list[Tensor], Tensor]:
        """Square images -> maps of every stage, and coarse and fine ones fused at a quarter of the side."""
        stages, hidden = [], square
        for stage in self.stages:
            hidden = stage(hidden)
            stages.append(hidden)
        quarter, eighth, sixteenth, coarsest = (
            lateral(maps) for lateral, maps in zip(self.laterals, stages[1:], strict=True)
        )
        sixteenth = sixteenth + F.interpolate(coarsest, scale_factor=2.0, mode="nearest")
        eighth = self.fuse_eighth(eighth + F.interpolate(sixteenth, scale_factor=2.0, mode="nearest"))
        return stages, self.fuse_quarter(quarter + F.interpolate(eighth, scale_factor=2.0, mode="nearest"))

    def find_landmarks(self, fused: Tensor) -> Tensor:
        """(B, 68, 2) px of the square: the mean place under each heat map's softmax."""
        heat = self.heat(fused).float()
        share = heat.flatten(2).softmax(-1).unflatten(2, heat.shape[2:])
        cells = torch.arange(heat.shape[-1], device=heat.device, dtype=share.dtype)
        place = torch.stack([(share.sum(2) * cells).sum(-1), (share.sum(3) * cells).sum(-1)], dim=-1)
        return resize_points(place, 1, HEAT_STRIDE)

    def read(
        self, square: Tensor, stages: list[Tensor], fused: Tensor, landmarks: Tensor, crop_landmarks: Tensor
    ) -> PortraitReading:
        """All that is read once the landmarks are known; the parsing at half the side.

        Args:
            square: (B, 3, sample_size, sample_size).
            stages: maps of `look`.
            fused: fused maps of `look`.
            landmarks: (B, 68, 2) px of the square, as first found.
            crop_landmarks: the same, where face, eyes and mouth are cut out, and their landmarks found again, closer;
                training takes the truth, a little displaced.
        """
        size = self.config.sample_size
        squares = face_squares(crop_landmarks)
        face = self.face(torch.cat([cut_squares(maps, squares, size, FACE_CROP_SIZE) for maps in stages[2:4]], dim=1))
        face_state, face_identity = self.face_state(face), self.face_identity(face)
        parsing = self.find_regions(stages[0], fused)
        eye_places = eye_squares(crop_landmarks)
        eyes = self.eyes(cut_squares(square, eye_places, size, DETAIL_CROP_SIZE))
        # Half precision would round angles to a tenth of a degree.
        with torch.autocast(square.device.type, enabled=False):
            face_state, face_identity = (maps.float().flatten(1) for maps in (face_state, face_identity))
            eye_state = F.silu(self.eye_state(eyes.float().reshape(len(square), -1)))
            centre, extent = landmark_extent(crop_landmarks)
            outline = (landmarks - centre[:, None]) / extent[:, None, None]
            state = self.state(torch.cat([face_state, eye_state, outline.flatten(1)], dim=1))
            reading = PortraitReading(
                landmarks=landmarks,
                head_pose=self.head_pose(state) * self.state_scale[:3],
                gaze=self.gaze(torch.cat([eye_state, state], dim=1)) * self.state_scale[3:],
                expression=self.expression(state),
                identity=F.normalize(self.identity(face_identity), dim=-1),
                parsing=parsing,
                maps=tuple(stages[:4]),
            )
        if self.config.mouth_width:
            reading = self.look_closer(reading, square, eye_state, eye_places, mouth_squares(crop_landmarks))
        return reading

    def look_closer(
        self, reading: PortraitReading, square: Tensor, eye_state: Tensor, eye_places: Tensor, mouth_places: Tensor
    ) -> PortraitReading:
        """The reading with landmarks of eyes and mouth, and the mouth's expression, from where these are cut out."""
        mouth = self.mouth(cut_squares(square, mouth_places, self.config.sample_size, DETAIL_CROP_SIZE))
        with torch.autocast(square.device.type, enabled=False):
            mouth_state = F.silu(self.mouth_state(mouth.float().flatten(1)))
            eye_points = points_in_squares(self.eye_points(eye_state).unflatten(1, (2, -1, 2)), eye_places)
            mouth_points = points_in_squares(self.mouth_points(mouth_state).unflatten(1, (1, -1, 2)), mouth_places)
            others = reading.landmarks[:, : EYES[0][0]]  # contour, brows and nose come first
            return replace(
                reading,
                landmarks=torch.cat([others, eye_points.flatten(1, 2), mouth_points.flatten(1, 2)], dim=1),
                expression=reading.expression + self.mouth_expression(mouth_state),
            )

    def find_regions(self, half: Tensor, fused: Tensor) -> Tensor:
        """Scores of the parsing (B, 3, h, h), at half the side, of the finest and the fused maps."""
        coarse = F.interpolate(self.parse_quarter(fused), scale_factor=2.0, mode="nearest")
        return self.parse(F.relu(coarse + self.parse_half(half))).float()
