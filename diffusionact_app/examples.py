"""The bundled examples with their kept results, made with the model `photo`: NASA's portrait of an astronaut, and an
AI-generated woman. `python -m diffusionact_app.render_examples` makes the results again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import diffusionact

MEDIA = Path(__file__).with_name("media")
DEMO_MEDIA = Path(diffusionact.__file__).with_name("demo") / "media"


@dataclass(frozen=True)
class Example:
    """A source, a driver, and what the model made of them.

    Attributes:
        name: of its folder.
        title: for the visitor.
        relative: add the driver's motion to the source's own pose.
        frames: of the kept result.
    """

    name: str
    title: str
    relative: bool = False
    frames: int = 50

    @property
    def folder(self) -> Path:
        return MEDIA / self.name

    @property
    def source(self) -> Path:
        return self.folder / "source.jpg"

    @property
    def driving(self) -> Path:
        return DEMO_MEDIA / "photo_driving.mp4"

    @property
    def side_by_side(self) -> Path:
        return self.folder / "side_by_side.mp4"

    @property
    def full_frame(self) -> Path:
        return self.folder / "full_frame.mp4"


EXAMPLES = (
    Example("astronaut", "Astronaut", frames=100),
    Example("woman", "Smiling woman", relative=True, frames=100),
)
