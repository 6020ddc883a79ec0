"""A job in which several faces of a clip change, each as its own driver says; other faces stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from diffusionact.pipelines.group_clip import OWN, ClipCast, stream_group_clip
from diffusionact.pipelines.source_video import FrameDriver, SceneFrame, no_driver
from diffusionact.video import FrameSource

from .clip_job import ClipJob
from .scene_panels import played
from .shared_model import SharedModel


@dataclass(frozen=True)
class GroupClipJob(ClipJob):
    """What to change of the faces of a clip; `driving`, `motion` and `source_face` of a `ClipJob` stand for one face.

    Attributes:
        cast: number of a face, largest of the first frame first -> a name in `clips`, OWN, else a bundled motion.
        clips: opened, at the source's rate.
    """

    cast: ClipCast = field(default_factory=lambda: ClipCast({}))
    clips: Mapping[str, FrameSource] = field(default_factory=dict)

    @property
    def driving_clips(self) -> tuple[FrameSource, ...]:
        """All that drive, opened."""
        return tuple(self.clips.values())

    @property
    def moves_heads(self) -> bool:
        """Whether heads turn, so that the people are cut out of every frame."""
        return super().moves_heads or any(name not in self.clips and name != OWN for name in self.cast.drivers)

    def shown_drivers(self) -> Iterator[Tensor] | None:
        """The driver of all faces, where there is one, as of a `ClipJob`."""
        alone = self.cast.drivers == list(self.clips)
        return played(self.driving_clips[0], self.driver_end) if alone and len(self.clips) == 1 else None

    def changed(self, model: SharedModel, frames: Iterable[Tensor]) -> Iterator[SceneFrame]:
        """The source's frames uint8 (H, W, 3), at the output's size, as they become."""
        return stream_group_clip(
            model.pipeline,
            frames,
            self.cast,
            {name: self._driver_named(model, name) for name in self.cast.drivers},
            self.options,
            float(self.source.frame_rate),
            **self.rendering,
        )

    def _driver_named(self, model: SharedModel, name: str) -> FrameDriver:
        if name in self.clips:
            return self.by_clip(model, self.clips[name])
        return no_driver() if name == OWN else self.by_motion(model, name)
