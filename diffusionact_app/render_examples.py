"""Render the kept results of the bundled examples: `python -m diffusionact_app.render_examples [NAME ...]`."""

from __future__ import annotations

import sys
from collections import deque

from diffusionact import DiffusionActPipeline, PoseOptions
from diffusionact.video import open_frames

from .animation import AnimateJob, animate
from .examples import EXAMPLES, Example
from .shared_model import SharedModel


def render(model: SharedModel, example: Example) -> None:
    """Write both videos of an example."""
    job = AnimateJob(
        source=example.source,
        driving=open_frames(example.driving),
        folder=example.folder,
        options=PoseOptions(relative=example.relative),
        sampling=model.sampling(None),
        frames=example.frames,
        output=model.outputs[0],
    )
    deque(animate(model, job), maxlen=0)


if __name__ == "__main__":
    wanted = sys.argv[1:] or [example.name for example in EXAMPLES]
    shared_model = SharedModel(DiffusionActPipeline.from_pretrained("photo"))
    for chosen in EXAMPLES:
        if chosen.name in wanted:
            render(shared_model, chosen)
