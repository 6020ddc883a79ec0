"""The whole photo moves: head, hair and neck in their place, at the photo's resolution, nothing to be blended."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import images
from ..checks import check_frames
from ..face.geometry.alignment import compose_transforms, invert_transform
from ..face.geometry.resize import resize_crop, resize_transform
from ..types import FacePose, SourceCodes
from ..warping import photo_region
from ..warping.placement import ALIGNED_SIZE
from ..warping.sampling import apply, mix, pixel_centres, sample, smoothstep
from .conditioning import Conditioning
from .engine import Engine
from .photo_detail import has_warp
from .sampling import Sampling
from .warp import WarpEngine, warp_source

# Difference from the photo, in [-1, 1], from which a pixel counts as moved, and as fully so; and how far around it.
CHANGE, CHANGE_REACH_PX = (0.02, 0.06), 3


def moves_whole(engine: Engine, source: SourceCodes) -> bool:
    """Whether `WholePhoto` takes them; a warm start's sources can be warped, too, but its frames are pasted back."""
    return isinstance(engine, WarpEngine) and has_warp(source)


class WholePhoto:
    """A photo in which the source moves. What can move lies within one region; only this is rendered.

    Args:
        engine: the engine `warp`.
        source: its source; a `crop` for the same photo at another size, as `photo` is, does as well.
        photo: uint8 (H, W, 3).
        transparent: frames have an alpha: of a photo with transparency its own, which moves as its colours do; of
            others the person is cut out.
        alpha: uint8 (H, W) of a photo with transparency, as the source was encoded with.

    Attributes:
        engine: to render with, in a pipeline or by `render`; its frames show that region.

    Raises:
        ValueError: if the source is another engine's, or the photo another one.
    """

    def __init__(
        self,
        engine: Engine,
        source: SourceCodes,
        photo: Tensor,
        transparent: bool = False,
        alpha: Tensor | None = None,
    ):
        check_frames("photo", photo[None])
        if not moves_whole(engine, source):
            raise ValueError(
                "Expected a source of the engine 'warp' (the model photo) to move the whole photo, received one of "
                "another model. Paste its frames back, or encode the source with the model photo."
            )
        aligned = resize_crop(source.crop, ALIGNED_SIZE).matrix[0].to(engine.device)
        region = photo_region(warp_source(source).to(engine.device), tuple(photo.shape[:2]), aligned)
        self.engine = engine.at_output((region.height, region.width), region.to_output)
        if transparent:
            self.engine = self.engine.transparent()
            photo = _with_alpha(engine, source, photo, alpha)
        self._source, self._photo, self._region = source, photo.cpu(), region
        self._box = (slice(region.top, region.top + region.height), slice(region.left, region.left + region.width))
        self._still = images.uint8_to_model(self._photo[self._box][None]).to(engine.device)

    def render(self, pose: FacePose) -> Tensor:
        """Frames (F, 3 or 4, h, w) in [-1, 1] of the region."""
        conditioning = Conditioning(self.engine.condition(self._source, pose))
        return self.engine.render(self._source, conditioning, Sampling())

    def finish(self, frame: Tensor) -> Tensor:
        """The whole photo, uint8 (H, W, 3 or 4) on the CPU, of a frame (1, 3 or 4, h, w) of the region."""
        finished = self._photo.clone()
        finished[self._box] = images.model_to_uint8(self._laid(frame))[0].cpu()
        return finished

    def lay_changes(self, frame: Tensor, rendered: Tensor) -> None:
        """Lay what moved over a frame uint8 (H, W, 3) on the CPU, in place: another face's motion beside it stays.

        Args:
            frame: the photo, in which other faces may have moved already.
            rendered: (1, 3, h, w) of the region.
        """
        laid = self._laid(rendered)
        changed = (laid - self._still).abs().amax(1, keepdim=True)
        reach = 2 * CHANGE_REACH_PX + 1
        near = F.max_pool2d(smoothstep(*CHANGE, changed), reach, 1, CHANGE_REACH_PX)
        share = F.avg_pool2d(near, reach, 1, CHANGE_REACH_PX, count_include_pad=False)
        before = images.uint8_to_model(frame[self._box][None]).to(laid)
        frame[self._box] = images.model_to_uint8(torch.lerp(before, laid, share))[0].cpu()

    def share(self) -> Tensor:
        """(H, W) in [0, 1] how much of each pixel is rendered, on the CPU."""
        share = torch.zeros(self._photo.shape[:2])
        share[self._box] = self._region.share[0].cpu()
        return share

    def aligned(self, frame: Tensor) -> Tensor:
        """The aligned crop (1, 3, S, S), at the engine's sample size, of a frame of the region."""
        region, size = self._region, self.engine.sample_size
        to_aligned = invert_transform(resize_transform(ALIGNED_SIZE, size).to(region.to_output))
        to_region = compose_transforms(region.to_output[None], to_aligned)[0]
        places = apply(to_region, pixel_centres(size, size, to_region.device))
        grid = (places + 0.5) * places.new_tensor([2.0 / region.width, 2.0 / region.height]) - 1.0
        return sample(self._laid(frame)[0], grid)[None]

    def _laid(self, frame: Tensor) -> Tensor:
        return mix(self._still, frame.to(self._still), self._region.share)


def _with_alpha(engine: WarpEngine, source: SourceCodes, photo: Tensor, alpha: Tensor | None) -> Tensor:
    """A photo as uint8 (H, W, 4), by its own alpha, or with its person cut out."""
    if alpha is not None:
        return torch.cat([photo.cpu(), alpha.cpu()[..., None]], dim=-1)
    matte = engine.person(source, photo)
    layers = torch.cat([matte.foreground, matte.alpha], dim=1)[0]
    return images.unit_to_uint8(layers.permute(1, 2, 0)).cpu()
