"""Fixtures for the video tests."""

from pathlib import Path

import pytest
from video_clips import write_clip


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """30 frames of 48 x 64 at 30000/1001 with 1.5 s of sound: half a second more than images."""
    return write_clip(tmp_path / "clip.mp4", sound_s=1.5)
