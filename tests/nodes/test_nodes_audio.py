"""Sound of a video file as ComfyUI's AUDIO."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

RATE = 48000


@pytest.fixture
def clip(tmp_path):
    """One second of black at 30000/1001 frames per second, with a tone in stereo that is silent on one side."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        images = container.add_stream("libx264", rate=Fraction(30000, 1001))
        images.width = images.height = 64
        images.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="stereo")
        for _ in range(30):
            container.mux(images.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")))
        tone = np.stack([np.sin(np.arange(RATE) * 2 * np.pi * 440 / RATE), np.zeros(RATE)]).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux(sound.encode(frame))
        container.mux(images.encode(None))
        container.mux(sound.encode(None))
    return path


def test_sound_is_read_with_its_channels_rate_and_length(node_module, clip):
    audio = node_module("comfy.audio").read_audio(clip)
    assert audio["sample_rate"] == RATE
    waveform = audio["waveform"]
    assert waveform.shape[:2] == (1, 2)
    assert waveform.dtype == torch.float32
    assert abs(waveform.shape[2] - RATE) < 0.05 * RATE
    assert waveform[0, 0].square().mean().sqrt() == pytest.approx(0.5**0.5, abs=0.05)
    assert waveform[0, 1].abs().max() < 0.05


def test_a_video_without_sound_has_none(node_module):
    from diffusionact.commands.demo import DEMO_MEDIA

    assert node_module("comfy.audio").read_audio(DEMO_MEDIA / "driving.mp4") is None


def test_a_track_that_nothing_decodes_is_passed_over(node_module, clip, tmp_path):
    path = tmp_path / "strange.mkv"
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    assert node_module("comfy.audio").read_audio(path) is not None
    path.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_NEW"))
    assert node_module("comfy.audio").read_audio(path) is None
