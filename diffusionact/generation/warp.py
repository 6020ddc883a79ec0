"""The geometry engine: the source photo itself, warped into the driver's pose. No generative network, no weights.

It shows what the photo shows, at the photo's own sharpness, and cannot know what the photo does not: see `warping`.
"""

from __future__ import annotations

import copy
import hashlib
import json
import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import images
from ..checks import check_in_range, check_positive_int
from ..devices import face_device
from ..face.geometry.alignment import invert_transform, transform_points
from ..face.geometry.resize import resize_crop
from ..face.readers.open.expression_directions import load_directions
from ..face.readers.open.face_model import OpenFaceModel
from ..types import CropTransform, FaceCoefficients, FacePose, SourceCodes, map_tensors
from ..warping import WarpedFrames, WarpMotion, WarpRenderer, WarpSource, coefficient_motion
from ..warping.following import follow_landmarks
from ..warping.matte import Matte
from ..warping.photo import PhotoPreparer
from ..warping.placement import ALIGNED_SIZE, plane_to_aligned
from ..warping.renderer import RELIGHT
from ..warping.sampling import apply
from ..weights.model_folder import INDEX_NAME, INDEX_SECTION, model_folder_writer, some_of
from .conditioning import Conditioning, check_made_for
from .engine import AlignedSource
from .engine_names import WARP
from .sampling import PreviewCallback, Sampling, StepCallback

FACE_MODEL = "open"
# The parts of a prepared source stand among the codes under their own names behind this.
PREFIX = "warp."
CONDITIONS = ("rotation", "camera", "expression", "gaze", "landmarks", "pupils", "seen")
# Landmarks that lie farther than this from what the coefficients draw, px of the aligned crop of 256 px, root mean
# square of a face, were seen rather than drawn.
MAX_DRAWN_PX = 0.25
# Parts in [0, 1] that are as large as the canvas.
LAYERS = ("texture", "inside", "matte", "colour", "background", "background_seen", "alpha")
# Of the others, those with fewer numbers are kept in float32: geometry, not images.
SMALL = 2**16


@dataclass(frozen=True)
class WarpConfig:
    """Settings of a model folder of this engine.

    Attributes:
        sample_size: side of the images, pixels.
        relight: in [0, 1], how far the light on the skin is put right when the head turns under it.

    Raises:
        ValueError: if the size is none or `relight` outside [0, 1].
    """

    sample_size: int = 512
    relight: float = RELIGHT

    def __post_init__(self) -> None:
        check_positive_int("sample_size", self.sample_size)
        check_in_range("relight", self.relight, 0.0, 1.0)


class WarpEngine:
    """Warps the source photo; see `Engine`.

    Codes: "warp.NAME" (1, ...) for every part of a `WarpSource`. Conditioning: "rotation" (F, 3), "camera" (F, 3),
    "expression" (F, 52) and "gaze" (F, 2) of the open face model; "landmarks" (F, 68, 2) and "pupils" (F, 2, 2), px of
    the aligned crop of 256 px, which are followed where "seen" (F,) bool.

    Args:
        config: of the model folder.
    """

    name = WARP
    independent_frames = True
    landmark_frame = "source"
    presets: Mapping[str, Sampling] = {}
    modules: tuple[nn.Module, ...] = ()

    def __init__(self, config: WarpConfig | None = None):
        self.config = config or WarpConfig()
        self.sample_size = self.config.sample_size
        self.device = torch.device("cpu")
        self._directions = load_directions()
        self._preparer, self._face_model = PhotoPreparer(), OpenFaceModel.from_bundled()
        self.fingerprint = _fingerprint(self.config, self._directions)
        # What `render` shows, see `at_output`.
        self._size: int | tuple[int, int] = self.sample_size
        self._to_output: Tensor | None = None
        self._has_matte, self._transparent = True, False
        # The source that was rendered last: its textures at the output's size are kept for the next chunk.
        self._last: tuple[tuple[Tensor, ...], int, WarpRenderer] | None = None

    @classmethod
    def from_folder(cls, folder: Path, index: Mapping[str, Any]) -> WarpEngine:
        """Load a model folder, which holds nothing but its index file.

        Raises:
            ValueError: if a setting is unknown or out of range.
        """
        settings = {name: value for name, value in index[INDEX_SECTION].items() if name != "engine"}
        unknown = sorted(settings.keys() - {field.name for field in fields(WarpConfig)})
        if unknown:
            raise ValueError(
                f"Expected a section {INDEX_SECTION!r} with sample_size and relight in {folder / INDEX_NAME}, received "
                f"also {some_of(unknown)}. The model was made for another version; update this package."
            )
        return cls(WarpConfig(**settings))

    def save(self, folder: Path) -> None:
        """See `Engine`."""
        index = {"_class_name": "DiffusionActPipeline", INDEX_SECTION: {"engine": self.name, **asdict(self.config)}}
        with model_folder_writer(folder) as temporary:
            (temporary / INDEX_NAME).write_text(json.dumps(index, indent=2) + "\n")

    def with_size(self, sample_size: int) -> WarpEngine:
        """Another engine for the same codes, whose images have another side, pixels.

        Raises:
            ValueError: if the side is none.
        """
        return WarpEngine(replace(self.config, sample_size=sample_size)).to(self.device)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> WarpEngine:
        """See `Engine`; geometry is computed in float32 whatever the dtype."""
        self.device, self._last = face_device(torch.device(device)), None
        self._directions = self._directions.to(self.device)
        self._preparer.to(self.device)
        self._face_model.to(self.device)
        return self

    def at_output(self, size: int | tuple[int, int], to_output: Tensor | None = None) -> WarpEngine:
        """The same engine, with the same sources and conditioning, whose frames have another size or place.

        Args:
            size: side of the frames, or (height, width), pixels.
            to_output: (2, 3) px of the aligned crop of 256 px -> px of the frames; None shows the aligned crop.
        """
        other = copy.copy(self)
        other._size, other._to_output, other._last = size, to_output, None
        return other

    def without_matte(self) -> WarpEngine:
        """The same engine for sources whose heads stay as they are: the person is not cut out, which saves half."""
        other = copy.copy(self)
        other._has_matte, other._last = False, None
        return other

    def transparent(self) -> WarpEngine:
        """The same engine, whose frames (F, 4, H, W) have their alpha in [-1, 1] behind their straight colours.

        A source with transparency keeps it, moved as its colours are; of others the person is cut out.
        """
        other = copy.copy(self)
        other._transparent, other._last = True, None
        return other

    def person(self, source: SourceCodes, photo: Tensor) -> Matte:
        """The source's person cut out of the whole photo uint8 (H, W, 3), also beyond the source's canvas."""
        prepared = warp_source(source).to(self.device)
        to_photo = invert_transform(resize_crop(source.crop, ALIGNED_SIZE).matrix.to(self.device))[0]
        aligned = plane_to_aligned(prepared.placement.place(prepared.shape[None])[0])
        return self._preparer.cut_out(photo.to(self.device), apply(to_photo, aligned[:, :2]))

    def encode(
        self, source: AlignedSource, num_inversion_steps: int | None = None, on_step: StepCallback | None = None
    ) -> dict[str, Tensor]:
        """See `Engine`; finds the mesh of each face, and makes its photo ready to be warped."""
        self._check_face_model(source.pose.coefficients)
        prepared = [self._prepare(source, row) for row in range(len(source.image))]
        names = [name for name, part in prepared[0].items() if name != "alpha" or part.numel() > 1]
        return {PREFIX + name: torch.stack([_stored(name, part[name]) for part in prepared]) for name in names}

    def condition(self, source: SourceCodes, pose: FacePose) -> dict[str, Tensor]:
        """See `Engine`; landmarks that the coefficients did not draw were seen, and are followed."""
        check_made_for(self.name, source.codes, (PREFIX + "texture",))
        self._check_face_model(pose.coefficients)
        parts = pose.coefficients
        named = {"rotation": parts.rotation, "camera": parts.camera, "expression": parts.expression, "gaze": pose.gaze}
        to_aligned = invert_transform(pose.frame.matrix)
        marks, pupils = (transform_points(to_aligned, points) for points in (pose.landmarks, pose.pupils))
        drawn = self._face_model.landmarks(map_tensors(parts, lambda tensor: tensor.to(self.device)), ALIGNED_SIZE)
        miss = (marks.to(drawn) - drawn).square().sum(-1).mean(-1).sqrt()
        named |= {"landmarks": marks, "pupils": pupils, "seen": miss > MAX_DRAWN_PX}
        return {name: tensor.to(self.device) for name, tensor in named.items()}

    def render(
        self,
        source: SourceCodes,
        conditioning: Conditioning,
        sampling: Sampling,
        on_step: StepCallback | None = None,
        on_preview: PreviewCallback | None = None,
    ) -> Tensor:
        """See `Engine`; nothing is sampled."""
        warped = self.warp(source, conditioning)
        frames = warped.images
        if on_preview is not None:
            on_preview(frames)
        if on_step is not None:
            on_step(1, 1)
        return torch.cat([frames, 2 * warped.alpha - 1], dim=1) if self._transparent else frames

    def warp(self, source: SourceCodes, conditioning: Conditioning) -> WarpedFrames:
        """The frames with their confidence, labels and normals; one source, or one for each frame."""
        check_made_for(self.name, source.codes, (PREFIX + "texture",))
        check_made_for(self.name, conditioning.tensors, CONDITIONS)
        rows = len(source.codes[PREFIX + "texture"])
        # One by one: products of a batch round differently, and no frame may depend on its neighbours.
        parts = [
            self._warp_one(source, index if rows > 1 else 0, conditioning.rows(slice(index, index + 1)))
            for index in range(len(conditioning))
        ]
        return WarpedFrames(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(parts[0])))

    def _warp_one(self, source: SourceCodes, row: int, conditioning: Conditioning) -> WarpedFrames:
        renderer = self._renderer(source, row)
        return renderer.render(self._motion(renderer.source, conditioning))

    def encode_steps(self, num_inversion_steps: int | None = None) -> int:
        """See `Engine`."""
        return 0

    def check_sampling(self, sampling: Sampling) -> None:
        """See `Engine`; whatever is asked for, nothing is sampled."""

    def steps_per_frame(self, sampling: Sampling) -> int:
        """See `Engine`."""
        return 1

    def activation_bytes(self, num_frames: int) -> int:
        """See `Engine`: about forty float32 values per pixel, one frame after the other."""
        height, width = (self._size, self._size) if isinstance(self._size, int) else self._size
        return 40 * 4 * height * width

    def _prepare(self, source: AlignedSource, row: int) -> dict[str, Tensor]:
        """The parts of one prepared source."""
        photo, to_aligned = self._photo(source, row)
        pose = map_tensors(source.pose, lambda tensor: tensor[row : row + 1].to(self.device))
        in_photo = transform_points(invert_transform(to_aligned.matrix), pose.landmarks)
        to_crop = resize_crop(to_aligned, ALIGNED_SIZE).matrix[0]
        alpha = None if source.alpha is None else source.alpha.to(self.device)
        prepared = self._preparer(photo, in_photo[0], to_crop, pose.coefficients, pose.gaze, self._has_matte, alpha)
        return prepared.tensors()

    def _photo(self, source: AlignedSource, row: int) -> tuple[Tensor, CropTransform]:
        """The photo uint8 (H, W, 3) of one source, and its crop; frames that lie in no photo are their own."""
        if source.photo is not None:
            return source.photo.to(self.device), map_tensors(source.crop, lambda tensor: tensor.to(self.device))
        image = source.image[row : row + 1]
        crop = CropTransform(torch.eye(2, 3, device=self.device)[None], image.shape[-1])
        return images.model_to_uint8(image)[0].to(self.device), crop

    def _motion(self, prepared: WarpSource, conditioning: Conditioning) -> WarpMotion:
        parts = {name: conditioning[name] for name in ("expression", "rotation", "camera")}
        nothing = parts["camera"].new_zeros(len(conditioning), 0)  # the warp takes the shape from the photo
        coefficients = FaceCoefficients(shape=nothing, face_model=FACE_MODEL, **parts)
        motion = coefficient_motion(prepared, self._directions, coefficients, conditioning["gaze"])
        if not bool(conditioning["seen"].all()):
            return motion
        return follow_landmarks(prepared, motion, conditioning["landmarks"], conditioning["pupils"])

    def _renderer(self, source: SourceCodes, row: int) -> WarpRenderer:
        codes, last = tuple(source.codes.values()), self._last
        if last is not None and last[1] == row and all(map(operator.is_, last[0], codes)):
            return last[2]
        prepared = warp_source(source, row).to(self.device)
        renderer = WarpRenderer(prepared, self._size, self._to_output, self.config.relight, self._transparent)
        self._last = (codes, row, renderer)
        return renderer

    @staticmethod
    def _check_face_model(coefficients: FaceCoefficients) -> None:
        if coefficients.face_model != FACE_MODEL:
            raise ValueError(
                f"Expected a face read with the face model {FACE_MODEL!r} for the engine {WARP!r}, received "
                f"{coefficients.face_model!r}. Use the face reader 'open', or another model."
            )


def warp_source(source: SourceCodes, row: int = 0) -> WarpSource:
    """The prepared source behind the codes of this engine."""
    check_made_for(WARP, source.codes, (PREFIX + "texture",))
    parts = {name: tensor[row] for name, tensor in source.codes.items() if name.startswith(PREFIX)}
    return WarpSource(**{name.removeprefix(PREFIX): _restored(part) for name, part in parts.items()})


def _fingerprint(config: WarpConfig, directions: Tensor) -> str:
    """Other settings, directions or parts of a source are another model."""
    # Only sources with transparency have alpha: the others are those of before it was there.
    parts = [field.name for field in fields(WarpSource) if field.name != "alpha"]
    text = json.dumps([asdict(config), parts]).encode()
    return hashlib.sha256(text + directions.numpy().tobytes()).hexdigest()[:16]


def _stored(name: str, part: Tensor) -> Tensor:
    """The layers of the canvas with 8 bits, as photos have them; half of the memory for what else is large."""
    if name in LAYERS:
        return (part * 255).round().clamp(0, 255).to(torch.uint8)
    return part.half() if part.is_floating_point() and part.numel() > SMALL else part


def _restored(part: Tensor) -> Tensor:
    if part.dtype == torch.uint8:
        return part.float() / 255
    return part.float() if part.is_floating_point() else part
