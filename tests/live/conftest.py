"""A photo ready to be moved, and frames of a camera that shows another face."""

import pytest
import torch

from diffusionact import DiffusionActPipeline
from diffusionact.commands.demo import DEMO_MEDIA
from diffusionact.images import load_image
from diffusionact.live import live_pipeline
from diffusionact.video import open_frames


@pytest.fixture(scope="session")
def pipeline():
    """The model photo at 256 px."""
    return live_pipeline(DiffusionActPipeline.from_pretrained("photo"), 256)


@pytest.fixture(scope="session")
def source(pipeline):
    return pipeline.encode_source(load_image(DEMO_MEDIA / "photo.jpg"))


@pytest.fixture(scope="session")
def faces():
    """The first and the 41st frame of the bundled clip: a smile, and a talking, turned head."""
    frames = list(open_frames(DEMO_MEDIA / "photo_driving.mp4"))
    return frames[0], frames[40]


@pytest.fixture(scope="session")
def wall():
    """A camera that nobody sits at, in the size of the clip."""
    return torch.full((350, 350, 3), 128, dtype=torch.uint8)
