"""What the tracker sees in the demo's source image."""

import pytest

from diffusionact.face.readers.open.tracking import OpenFaceTracker
from diffusionact.images import load_image


@pytest.fixture(scope="session")
def demo_observation():
    """The demo's source (256, 256, 3) uint8 and the tracker's observation of it, one row."""
    frame = load_image("diffusionact/demo/media/source.png")
    return frame, OpenFaceTracker().observe(frame[None])
