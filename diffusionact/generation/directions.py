"""The engine of "Finding Directions" (Bounareli et al. 2022): a photo's latent code, moved along learned directions.

    w_source = E(source)                               once per source
    w = w_source + A (p_driver - p_source)             cheap, per frame; then truncated towards the mean
    frame = G(w)                                       one generator pass, with fixed noise

p are the face parameters of `face_parameters.py`. The order of the steps is the official code's: the change is added
before truncation, which so scales it too; A has a bias; the inversion adds no average.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..checks import check_choice, check_finite
from ..types import FacePose, SourceCodes
from .conditioning import Conditioning, check_made_for
from .directions_folder import DirectionsComponents, load_directions, save_directions
from .engine import AlignedSource
from .engine_names import DIRECTIONS
from .face_parameters import PARAMETERS, parameters_of
from .generator_tuning import PerceptualDistance, tune_generator
from .sampling import PreviewCallback, Sampling, StepCallback

# Tuned weights of the generator stand among a source's codes under their own names behind this.
TUNED_PREFIX = "tuned."
# Memory of a generator pass beyond its weights, as a multiple of the finest layer's float32 activations.
ACTIVATION_LAYERS = 8


class DirectionsEngine:
    """A latent code for each frame, drawn by StyleGAN2; see `Engine`.

    Codes: "w_plus" (B, R, D), before truncation; with tuning also "tuned.NAME" (B, ...) for every tuned weight.
    Conditioning: "w_plus" (F, R, D), after truncation.

    Args:
        components: the networks and the model's settings.

    Attributes:
        generator, inversion_encoder, directions, config: see `DirectionsComponents`.
        perceptual_distance: of `generator_tuning`, for sources that are tuned; None compares pixels alone.
    """

    name = DIRECTIONS
    independent_frames = True  # the generator's noise is part of its weights
    landmark_frame = "aligned"
    presets: Mapping[str, Sampling] = {}
    # One pass per frame is cheap, and its images are the official ones in float32 only.
    full_precision = True

    def __init__(self, components: DirectionsComponents):
        self.components = components
        self.generator = components.generator
        self.inversion_encoder = components.inversion_encoder
        self.directions = components.directions
        self.config = components.config
        self.perceptual_distance: PerceptualDistance | None = None
        self.fingerprint = _fingerprint(components)
        # In full precision, whatever the generator's.
        self.mean_latent = components.generator.mean_latent.clone()
        self._of_named_values = components.of_named_values
        for module in self.modules:
            module.eval().requires_grad_(False)

    @classmethod
    def from_folder(cls, folder: Path, index: Mapping[str, Any]) -> DirectionsEngine:
        """Load a model folder, on the CPU in float32."""
        return cls(load_directions(folder, index))

    def save(self, folder: Path) -> None:
        """See `Engine`."""
        save_directions(self.components, folder)

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """See `Engine`."""
        return (self.generator, self.inversion_encoder, self.directions)

    @property
    def device(self) -> torch.device:
        """See `Engine`."""
        return self.mean_latent.device

    @property
    def sample_size(self) -> int:
        """See `Engine`."""
        return self.generator.sample_size

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> DirectionsEngine:
        """See `Engine`; `dtype` is for the generator alone."""
        for module in self.modules:
            module.to(device)
        self.mean_latent = self.mean_latent.to(device)
        nn.Module.to(self.generator, dtype=dtype, memory_format=torch.channels_last)
        self.generator.mean_latent = self.mean_latent.clone()
        return self

    def encode(
        self, source: AlignedSource, num_inversion_steps: int | None = None, on_step: StepCallback | None = None
    ) -> dict[str, Tensor]:
        """See `Engine`; one encoder pass. With `num_inversion_steps` the generator is tuned to each source so long."""
        w_plus = self.inversion_encoder(source.image)
        codes = {"w_plus": w_plus}
        if self.encode_steps(num_inversion_steps):
            rows = [
                self._tune(image[None], code[None], num_inversion_steps, on_step)
                for image, code in zip(source.image, w_plus, strict=True)
            ]
            codes |= {TUNED_PREFIX + name: torch.stack([row[name] for row in rows]) for name in rows[0]}
        return codes

    def condition(self, source: SourceCodes, pose: FacePose) -> dict[str, Tensor]:
        """See `Engine`; one product with A."""
        check_made_for(self.name, source.codes, ("w_plus",))
        shifted = self.directions.shift(source.codes["w_plus"].float(), self.delta_p(source, pose))
        return {"w_plus": self.truncate(shifted)}

    def along(self, source: SourceCodes, changes: Mapping[str, Tensor]) -> Conditioning:
        """What F frames are rendered from without a driver: the source, moved along single directions.

        Args:
            source: one row.
            changes: name in `face_parameters.PARAMETERS` -> (F,) normalised change, about [-6, 6]; others stay at 0.

        Raises:
            ValueError: if there is no such parameter, or none is given.
        """
        check_made_for(self.name, source.codes, ("w_plus",))
        if not changes:
            raise ValueError(f"Expected a change of some of {', '.join(PARAMETERS)}, received none. Name at least one.")
        for name in changes:
            check_choice("the parameter", name, PARAMETERS)
        columns = dict.fromkeys(PARAMETERS, torch.zeros_like(next(iter(changes.values())))) | dict(changes)
        delta_p = torch.stack(list(columns.values()), dim=-1).to(self.device)
        shifted = self.directions.shift(source.codes["w_plus"].float(), delta_p)
        return Conditioning({"w_plus": self.truncate(shifted)})

    def delta_p(self, source: SourceCodes, pose: FacePose) -> Tensor:
        """Change of the normalised face parameters (F, 15) from the source to each pose."""
        target, own = (parameters_of(item.coefficients, self._of_named_values) for item in (pose, source))
        return (target - own).to(self.device)

    def truncate(self, w_plus: Tensor) -> Tensor:
        """Latent codes (B, R, D) as the generator receives them: m + truncation (w - m)."""
        return self.mean_latent + self.config.truncation * (w_plus - self.mean_latent)

    def render(
        self,
        source: SourceCodes,
        conditioning: Conditioning,
        sampling: Sampling,
        on_step: StepCallback | None = None,
        on_preview: PreviewCallback | None = None,
    ) -> Tensor:
        """See `Engine`; one generator pass, nothing is sampled."""
        check_made_for(self.name, source.codes, ("w_plus",))
        check_made_for(self.name, conditioning.tensors, ("w_plus",))
        images = self._draw(conditioning["w_plus"], _tuned_rows(source))
        check_finite("the reenacted images", images)
        images = images.clamp(-1.0, 1.0)
        if on_preview is not None:
            on_preview(images)
        if on_step is not None:
            on_step(1, 1)
        return images

    def reconstruct(self, image: Tensor, num_inversion_steps: int | None, sampling: Sampling) -> Tensor:
        """Images (B, 3, S, S) in [-1, 1], inverted and drawn again without a change of the face."""
        return self._draw(self.truncate(self.inversion_encoder(image)), []).clamp(-1.0, 1.0)

    def encode_steps(self, num_inversion_steps: int | None = None) -> int:
        """See `Engine`; none unless they are asked for."""
        return num_inversion_steps or 0

    def check_sampling(self, sampling: Sampling) -> None:
        """See `Engine`; whatever is asked for, nothing is sampled."""

    def steps_per_frame(self, sampling: Sampling) -> int:
        """See `Engine`."""
        return 1

    def activation_bytes(self, num_frames: int) -> int:
        """See `Engine`."""
        return ACTIVATION_LAYERS * num_frames * self.generator.config.channels[-1] * self.sample_size**2 * 4

    def _tune(self, image: Tensor, w_plus: Tensor, steps: int, on_step: StepCallback | None) -> dict[str, Tensor]:
        return tune_generator(self.generator, image, self.truncate(w_plus), steps, on_step, self.perceptual_distance)

    def _draw(self, w_plus: Tensor, tuned: list[dict[str, Tensor]]) -> Tensor:
        """Images (F, 3, S, S) of truncated codes, with no tuned weights, one set of them, or one for each frame."""
        if not tuned:
            return self.generator(w_plus).float()
        dtype = self.generator.constant.dtype
        shares = [w_plus] if len(tuned) == 1 else w_plus.split(1)
        drawn = [
            functional_call(self.generator, {name: value.to(dtype) for name, value in row.items()}, (share,))
            for row, share in zip(tuned, shares, strict=True)
        ]
        return torch.cat(drawn).float()


def _tuned_rows(source: SourceCodes) -> list[dict[str, Tensor]]:
    """The tuned weights of each row of a source; none where it was not tuned."""
    names = [name for name in source.codes if name.startswith(TUNED_PREFIX)]
    count = len(source.codes[names[0]]) if names else 0
    return [{name.removeprefix(TUNED_PREFIX): source.codes[name][row] for name in names} for row in range(count)]


def _fingerprint(components: DirectionsComponents) -> str:
    """Of a layer of each network, the mean and the settings."""
    tensors = (
        components.generator.layers[0].convolution.weight,
        components.generator.mean_latent,
        components.inversion_encoder.input_layer[0].weight,
        components.directions.linear.weight,
        components.of_named_values,
    )
    weights = [tensor.detach().float().cpu().contiguous().numpy().tobytes() for tensor in tensors]
    return hashlib.sha256(b"".join([*weights, repr(components.config).encode()])).hexdigest()[:16]
