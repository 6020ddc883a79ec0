"""Cameras: a file at its own rate, what is dropped, and what is said where there is none."""

import time
from fractions import Fraction

import pytest
import torch

from diffusionact.live import open_camera
from diffusionact.video import VideoWriter

FRAMES, RATE = 12, 40


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Frames that grow brighter, 0.3 s of them."""
    path = tmp_path_factory.mktemp("camera") / "clip.mp4"
    with VideoWriter(path, Fraction(RATE), (16, 16), crf=0) as writer:
        for index in range(FRAMES):
            writer.write(torch.full((16, 16, 3), 20 * index, dtype=torch.uint8))
    return path


def frames_of(camera, pause=0.0):
    frames = []
    with camera:
        while (frame := camera.latest()) is not None:
            frames.append(frame)
            time.sleep(pause)
    return frames


def test_a_file_plays_at_its_own_rate_and_ends(clip):
    began = time.perf_counter()
    frames = frames_of(open_camera(str(clip)))
    assert time.perf_counter() - began >= (FRAMES - 1) / RATE
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    assert frames[0].image.shape == (16, 16, 3)


def test_frames_that_nobody_took_are_dropped(clip):
    camera = open_camera(str(clip))
    frames = frames_of(camera, pause=0.12)
    assert camera.read == FRAMES and camera.taken == len(frames) < FRAMES
    assert frames[-1].index == FRAMES - 1, "the newest frame is never dropped"
    for frame in frames:
        assert abs(frame.image.float().mean() - 20 * frame.index) < 4


def test_a_looped_file_goes_on_until_it_is_closed(clip):
    with open_camera(str(clip), loop=True) as camera:
        seen = -1
        while seen < FRAMES + 2:
            seen = camera.latest().index
        camera.close()
        assert camera.latest() is None


def test_a_device_is_read_in_ffmpegs_own_words():
    camera = open_camera("lavfi:testsrc=size=64x48:rate=50:duration=0.2")
    frames = frames_of(camera)
    assert camera.read == 10 and frames and frames[0].image.shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/dev/video97", "Expected a camera at '/dev/video97', received a machine without it"),
        ("nowhere.mp4", "received 'nowhere.mp4' where nothing lies"),
        ("lavfi:nonsense", "Expected the camera 'nonsense' to open"),
        ("nokind:0", "Expected a kind of camera that this FFmpeg knows, received 'nokind'"),
    ],
)
def test_a_camera_that_is_not_there_is_explained(name, message):
    with pytest.raises((ValueError, OSError), match=message):
        open_camera(name)


def test_a_damaged_file_is_explained_where_frames_are_taken(clip, tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    with pytest.raises(ValueError, match="Expected a complete video"):
        open_camera(str(path))
