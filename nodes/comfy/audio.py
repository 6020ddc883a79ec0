"""Sound of a video file as ComfyUI's AUDIO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from ...diffusionact.video.audio import readable_track


def read_audio(path: Path) -> dict[str, Any] | None:
    """Decode the first sound track that can be decoded, beginning with the first image.

    Returns:
        waveform (1, channels, samples) float32 and sample_rate; None if the file has no sound.
    """
    with av.open(str(path), metadata_errors="replace") as container:
        stream = readable_track(container)
        if stream is None:
            return None
        images = container.streams.video[0]
        begin = float((images.start_time or 0) * images.time_base)
        resampler = av.AudioResampler(format="fltp")
        frames = [part for frame in container.decode(stream) for part in resampler.resample(frame)]
        if not frames:
            return None
        lead = round((frames[0].time - begin) * frames[0].sample_rate) if frames[0].time is not None else 0
        samples = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
        samples = np.pad(samples, ((0, 0), (max(lead, 0), 0)))[:, max(-lead, 0) :]
        return {"waveform": torch.from_numpy(samples)[None], "sample_rate": frames[0].sample_rate}
