"""Driving VIDEOs of the nodes: even times, parts, damage; and the sound that belongs to them."""

import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import av
import numpy as np
import pytest

SLOTS = [0, 1, 2, 3, 9, 10, 11]  # at ten a second
SOUND_RATE = 40000


@pytest.fixture
def video(comfy_module, monkeypatch, tmp_path):
    folders = SimpleNamespace(get_temp_directory=lambda: str(tmp_path))
    monkeypatch.setitem(sys.modules, "folder_paths", folders)
    monkeypatch.delitem(sys.modules, "a pack-Of any name.nodes.comfy.video", raising=False)
    return comfy_module("video")


class FileVideo(MagicMock):
    """What ComfyUI's loader gives: a VIDEO that is a file."""

    def get_stream_source(self):
        return self.path

    def get_active_trim_window(self):
        return (0, 0)


@pytest.fixture
def clip(tmp_path):
    """Seven frames at uneven times, with 1.2 s of sound in an AVI-like codec and at an odd rate."""
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        images = container.add_stream("libx264", rate=10)
        images.width, images.height, images.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("flac", rate=SOUND_RATE, layout="mono")
        for index, slot in enumerate(SLOTS):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 30 * index, np.uint8), "rgb24")
            frame.pts, frame.time_base = slot, Fraction(1, 10)
            container.mux(images.encode(frame))
        container.mux(images.encode(None))
        tone = (8000 * np.sin(np.arange(48000) / 10)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(tone, "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
        container.mux([*sound.encode(frame), *sound.encode(None)])
    return path


def test_video_of_uneven_times_becomes_even(video, clip):
    opened = video.open_driving(FileVideo(path=str(clip)))
    assert opened.frame_rate == 10
    levels = [round(float(frame.float().mean()) / 30) for frame in opened.frames]
    assert levels == [0, 1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 6] and opened.frame_count == 12
    timing = opened.timing()
    assert timing.audio["sample_rate"] == SOUND_RATE and timing.audio["waveform"].shape == (1, 1, 48000)


def test_video_with_landmarks_keeps_its_stored_frames_and_length(video, clip):
    opened = video.open_driving(FileVideo(path=str(clip)), is_constant=False)
    assert opened.frame_count == len(list(opened.frames)) == len(SLOTS)
    assert float(opened.frame_count / opened.frame_rate) == pytest.approx(1.2, abs=0.05)


def test_part_of_a_video_is_written_with_its_part_of_the_sound(video, clip, tmp_path):
    opened = video.open_driving(FileVideo(path=Path(clip)), start_s=0.2, end_s=1.0)
    video.write_video(tmp_path / "out.mp4", iter(opened.frames), opened)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [round(frame.time * 10) for frame in container.decode(video=0)] == list(range(8))
        container.seek(0)
        sound = container.streams.audio[0]
        assert float(sound.duration * sound.time_base) == pytest.approx(0.8, abs=0.05)
