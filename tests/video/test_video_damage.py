"""Damaged files: what can be read is kept and the rest is named; what is no video is rejected at once."""

import logging
import os

import av
import pytest
from odd_clips import spoil_packets, times_and_indices, write_coded
from PIL import Image
from video_clips import write_clip

from diffusionact.images import load_image
from diffusionact.video import VideoWriter, open_frames

INTRA = {"g": "1", "bf": "0"}


def test_damaged_packet_in_the_middle_is_left_out_and_named(tmp_path, caplog):
    clip = write_coded(tmp_path / "a.mp4", list(range(48)), options=INTRA, sound=("aac", 48000, "mono"))
    spoil_packets(clip, "video", slice(20, 22))
    with pytest.raises(ValueError, match=r"breaks at frame 2\d .*Invalid data"):
        list(open_frames(clip))
    frames = open_frames(clip, keep_damaged=True)
    with (
        caplog.at_level(logging.WARNING),
        VideoWriter(tmp_path / "out.mp4", 24, frames.size, audio_from=clip, clip=frames) as writer,
    ):
        for frame in frames:
            writer.write(frame)
    (problem,) = frames.problems
    assert problem.startswith("'a.mp4' is damaged: what lies at frame 2") and problem in caplog.text
    for seconds, index in times_and_indices(tmp_path / "out.mp4"):
        assert index == round(seconds * 24)  # what follows keeps its time
    assert {index for _, index in times_and_indices(tmp_path / "out.mp4")} == set(range(48)) - {20, 21}


def test_damage_that_is_read_twice_is_told_once(tmp_path):
    clip = write_coded(tmp_path / "a.mp4", list(range(24)), options=INTRA)
    spoil_packets(clip, "video", slice(5, 6))
    frames = open_frames(clip, keep_damaged=True)
    assert len(list(frames)) == len(list(frames)) == 23
    assert len(frames.problems) == 1


@pytest.mark.parametrize(("kept", "words"), [(0.55, "it breaks at frame"), (0.95, "are missing")])
def test_missing_tail_is_told(tmp_path, kept, words):
    whole = write_clip(tmp_path / "whole.mp4", count=90, options={"movflags": "faststart"}).read_bytes()
    clip = tmp_path / "cut.mp4"
    clip.write_bytes(whole[: int(len(whole) * kept)])
    frames = open_frames(clip, keep_damaged=True)
    count = len(list(frames))
    assert 30 < count < 90
    assert words in frames.problems[0]


def test_whole_files_have_no_problems(tmp_path):
    for name in ("a.mp4", "a.mkv", "a.ts", "a.avi", "a.webm"):
        codec = "libvpx" if name == "a.webm" else "mpeg2video" if name == "a.ts" else "libx264"
        frames = open_frames(write_coded(tmp_path / name, list(range(48)), codec), keep_damaged=True)
        assert len(list(frames)) == 48 and frames.problems == [], name


def test_song_with_a_cover_has_no_video_in_it(tmp_path):
    path = tmp_path / "song.mp3"
    Image.new("RGB", (64, 64), "red").save(tmp_path / "cover.png")
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame", rate=44100, layout="mono")
        cover = container.add_stream("png", rate=1)
        cover.width = cover.height = 64
        cover.pix_fmt, cover.disposition = "rgb24", av.stream.Disposition.attached_pic
        for part in range(20):
            frame = av.AudioFrame(format="s16p", layout="mono", samples=1152)
            frame.planes[0].update(bytes(2304))
            frame.sample_rate, frame.pts = 44100, part * 1152
            container.mux(sound.encode(frame))
        picture = av.VideoFrame.from_image(Image.open(tmp_path / "cover.png"))
        container.mux([*cover.encode(picture), *cover.encode(None), *sound.encode(None)])
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(ValueError, match=r"Expected a video, received .*song\.mp3.* no video in it"):
        open_frames(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("-", "a pipe or device; save it as a file first"),
        ("https://example.org/a.mp4", "the address .*download it first"),
        ("rtmp:/example.org/live", "the address .*download it first"),
        ("nowhere.mp4", "where nothing lies; check the path"),
    ],
)
def test_what_is_no_file_is_named(tmp_path, name, words):
    for read in (open_frames, load_image):
        with pytest.raises(FileNotFoundError, match=words):
            read(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a thing of POSIX systems")
def test_named_pipe_is_rejected_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for read in (open_frames, load_image):
        with pytest.raises(FileNotFoundError, match="a pipe or device"):
            read(tmp_path / "pipe.mp4")
