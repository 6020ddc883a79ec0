"""The bundled examples with their kept results. `python -m diffusionact_app.examples` renders them again.

Everything is synthetic: the demo's media and faces drawn by `train/data/synthetic`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MEDIA = Path(__file__).with_name("media")
DEMO_MEDIA = Path(__file__).resolve().parents[1] / "diffusionact" / "demo" / "media"


@dataclass(frozen=True)
class Example:
    """A source, a driver, and what the demo model made of them.

    Attributes:
        name: of its folder.
        title, note: for the visitor.
    """

    name: str
    title: str
    note: str

    @property
    def folder(self) -> Path:
        return MEDIA / self.name

    @property
    def source(self) -> Path:
        return self.folder / "source.png"

    @property
    def driving(self) -> Path:
        return DEMO_MEDIA / "driving.mp4"

    @property
    def side_by_side(self) -> Path:
        return self.folder / "side_by_side.mp4"

    @property
    def full_frame(self) -> Path:
        return self.folder / "full_frame.mp4"

    @property
    def poster(self) -> Path:
        return self.folder / "poster.jpg"


EXAMPLES = (
    Example("demo", "The demo", "Made beforehand at full quality. Press Animate to make it again here."),
)
