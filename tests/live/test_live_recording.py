"""Recordings keep time, say that they are generated, and leave nothing behind when given up."""

import av
import pytest
import torch

from diffusionact.live import LiveRecorder, Pace


def grey(level, size=32):
    return torch.full((size, size, 3), level, dtype=torch.uint8)


def levels_of(path):
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(video=0)]
        return frames, dict(container.metadata), container.streams.video[0].average_rate


def test_frames_stay_until_the_next_one_came(tmp_path):
    recorder = LiveRecorder(tmp_path / "live.mp4")
    for level, at in ((50, 10.0), (120, 10.2), (200, 10.6)):
        recorder.write(grey(level), at)
    assert recorder.seconds == pytest.approx(0.6)
    assert recorder.close() == tmp_path / "live.mp4"
    levels, metadata, rate = levels_of(tmp_path / "live.mp4")
    assert rate == 25 and len(levels) == 16
    assert [round(level / 10) for level in levels] == [5] * 5 + [12] * 10 + [20]
    assert "AI-generated, DiffusionAct" in metadata.values()


def test_a_long_pause_is_cut(tmp_path):
    recorder = LiveRecorder(tmp_path / "live.mp4")
    recorder.write(grey(50), 0.0)
    recorder.write(grey(200), 3600.0)
    recorder.close()
    assert len(levels_of(tmp_path / "live.mp4")[0]) == 51


def test_more_frames_than_the_rate_do_not_lengthen_the_video(tmp_path):
    recorder = LiveRecorder(tmp_path / "live.mp4")
    for index in range(50):
        recorder.write(grey(5 * index), index / 100)
    recorder.close()
    assert len(levels_of(tmp_path / "live.mp4")[0]) == pytest.approx(13, abs=1)


def test_no_frames_are_no_file_and_what_is_discarded_is_gone(tmp_path):
    assert LiveRecorder(tmp_path / "none.mp4").close() is None
    recorder = LiveRecorder(tmp_path / "live.mp4")
    recorder.write(grey(50), 0.0)
    recorder.discard()
    assert list(tmp_path.iterdir()) == []


def test_pace_is_that_of_the_last_seconds():
    pace = Pace()
    assert pace.frames_per_second == 0 == pace.delay
    for index in range(20):
        pace.count(index, delay=5.0)
    for index in range(31):
        pace.count(30 + index / 10, delay=0.1)
    assert pace.frames_per_second == pytest.approx(10)
    assert pace.delay == pytest.approx(0.1)
