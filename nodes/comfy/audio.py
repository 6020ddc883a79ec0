"""Sound of a video file as ComfyUI's AUDIO."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...diffusionact.video.sound_reading import SoundReader, UnreadableSoundError


def read_audio(path: Path) -> dict[str, Any] | None:
    """Decode the sound track that players take, beginning with the first image.

    Returns:
        waveform (1, channels, samples) float32 and sample_rate; None if the file has no sound that can be decoded.
    """
    try:
        reader = SoundReader(path)
    except UnreadableSoundError:
        return None
    with closing(reader):
        blocks = list(reader.blocks())
    if not blocks:
        return None
    return {"waveform": torch.from_numpy(np.concatenate(blocks, axis=1))[None], "sample_rate": reader.rate}
