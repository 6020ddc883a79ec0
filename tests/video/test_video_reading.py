"""Reading videos, animations and folders of images."""

import os
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from PIL import Image
from video_clips import moving_square, write_clip

from diffusionact.images import save_png
from diffusionact.video import open_frames

RATE = Fraction(30000, 1001)


def save_animation(path: Path, durations: list[int], **options) -> Path:
    images = [Image.fromarray(moving_square(index).numpy()) for index in range(len(durations))]
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations, **options)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_ntsc_rate_size_and_count_are_exact(tmp_path, suffix):
    source = open_frames(write_clip(tmp_path / f"clip{suffix}"))
    assert (source.frame_rate, source.size, source.frame_count) == (RATE, (48, 64), 30)
    assert source.frame_count_is_estimate and not source.has_audio
    assert len(list(source)) == 30


def test_frames_have_the_colours_that_were_written(clip):
    frames = list(open_frames(clip))
    assert frames[0].shape == (48, 64, 3) and frames[0].dtype == torch.uint8
    for index in (0, 15, 29):
        assert (frames[index].int() - moving_square(index).int()).abs().float().mean() < 3


def test_reading_twice_gives_equal_frames(clip):
    source = open_frames(clip)
    assert source.has_audio
    assert all(torch.equal(first, second) for first, second in zip(source, source, strict=True))


def test_reading_may_stop_early_and_begin_anew(clip):
    source = open_frames(clip)
    first = next(iter(source))
    assert torch.equal(first, next(iter(source)))


def test_frames_hidden_by_an_edit_list_are_neither_shown_nor_counted(tmp_path):
    source = open_frames(write_clip(tmp_path / "trimmed.mp4", count=30, start=-10 / RATE))
    assert source.frame_rate == RATE
    assert source.frame_count == len(list(source)) == 20


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_frame_rate_keeps_times_or_becomes_constant(tmp_path, suffix):
    times = [0, 33, 66, 200, 400, 433, 466, 500, 900, 960]
    source = open_frames(write_clip(tmp_path / f"phone{suffix}", count=10, times_ms=times))
    assert source.frame_count == len(list(source)) == 10 and not source.is_even
    assert [round(1000 * source.time(index).start) for index in range(10)] == times
    constant = open_frames(source.path, is_constant=True)
    assert constant.is_even and constant.frame_rate == RATE
    assert constant.frame_count == len(list(constant)) == pytest.approx(0.99 * RATE, abs=2)


def test_display_rotation_is_applied(tmp_path):
    clip = write_clip(tmp_path / "upright.mp4")
    data = bytearray(clip.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 4 + 20 + 16  # version 0: five times, layer and volume before the matrix
    quarter_turn = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]  # clockwise, as phones write it
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in quarter_turn)
    (tmp_path / "phone.mp4").write_bytes(data)
    upright, turned = open_frames(clip), open_frames(tmp_path / "phone.mp4")
    assert turned.size == (64, 48)
    assert torch.equal(next(iter(turned)), torch.rot90(next(iter(upright)), -1))


@pytest.mark.parametrize(("suffix", "options"), [(".webp", {"lossless": True}), (".png", {})])
def test_animation_has_its_average_rate_and_exact_frames(tmp_path, suffix, options):
    source = open_frames(save_animation(tmp_path / f"a{suffix}", [30, 50, 40, 60], **options))
    assert (source.frame_rate, source.frame_count, source.size) == (Fraction(4000, 180), 4, (48, 64))
    assert not source.frame_count_is_estimate
    for _ in range(2):
        assert all(torch.equal(frame, moving_square(index)) for index, frame in enumerate(source))


def test_gif_is_read_and_untimed_frames_last_a_tenth_of_a_second(tmp_path):
    assert open_frames(save_animation(tmp_path / "a.gif", [40, 40, 40])).frame_rate == 25
    source = open_frames(save_animation(tmp_path / "b.gif", [0, 0, 0]))
    assert source.frame_rate == 10 and len(list(source)) == 3


def test_folder_is_sorted_naturally_and_other_files_are_passed_over(tmp_path):
    for index in (10, 9, 1):
        save_png(tmp_path / f"Frame {index}.png", moving_square(index))
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden.png").touch()
    source = open_frames(tmp_path)
    assert (source.frame_rate, source.frame_count, source.has_audio) == (25, 3, False)
    assert all(torch.equal(frame, moving_square(i)) for frame, i in zip(source, (1, 9, 10), strict=True))


def test_single_image_is_one_frame(tmp_path):
    save_png(tmp_path / "face.png", moving_square(0))
    source = open_frames(tmp_path / "face.png")
    assert source.frame_count == 1 and torch.equal(next(iter(source)), moving_square(0))


def test_kind_is_found_from_the_content_not_the_suffix(tmp_path, clip):
    clip.rename(tmp_path / "clip.png")
    assert open_frames(tmp_path / "clip.png").frame_count == 30


def test_video_cut_at_its_end_names_the_frame_where_it_breaks(tmp_path):
    whole = write_clip(tmp_path / "whole.mp4", count=90, options={"movflags": "faststart"}).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    count = 0
    with pytest.raises(ValueError, match=r"Expected a complete video.*breaks at frame .*export the file") as error:
        for _ in open_frames(tmp_path / "cut.mp4"):
            count += 1
    assert 20 < count < 70 and f"breaks at frame {count} " in str(error.value)


@pytest.mark.parametrize("kept", [0, 10, 0.5])
def test_video_without_its_index_is_rejected_at_once(tmp_path, clip, kept):
    data = clip.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(ValueError, match=r"Expected a complete video.*received .*cut\.mp4.* bytes .*frame 0"):
        open_frames(tmp_path / "cut.mp4")


def test_truncated_animation_and_image_are_rejected(tmp_path):
    for name in ("a.webp", "b.gif"):
        data = save_animation(tmp_path / name, [40] * 8).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        with pytest.raises(ValueError, match="Expected a complete"):
            list(open_frames(tmp_path / name))


def test_sound_without_images_empty_folder_and_missing_path_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"Expected a folder with images.*0 other entries"):
        open_frames(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="Expected a video.*nowhere.*check the path"):
        open_frames(tmp_path / "nowhere.mp4")


def test_folder_with_two_sizes_names_the_frame(tmp_path):
    save_png(tmp_path / "1.png", moving_square(0))
    save_png(tmp_path / "2.png", moving_square(0, 50, 64))
    with pytest.raises(ValueError, match=r"\(48, 64\).*received \(50, 64\) at frame 1; bring"):
        list(open_frames(tmp_path))


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="resident memory is read from /proc")
def test_two_thousand_frames_are_read_in_flat_memory(tmp_path):
    source = open_frames(write_clip(tmp_path / "long.mp4", count=2000, size=(128, 160)))
    resident = []
    for index, _ in enumerate(source):
        if index in (300, 1999):
            resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    assert index == 1999
    assert resident[1] - resident[0] < 15e6  # the frames themselves are 104 MB


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{clip}\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile {clip}\n"),
        ("list.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"),
    ],
)
def test_playlist_leads_to_no_other_file_or_address(tmp_path, name, words):
    write_clip(tmp_path / "other.ts", count=5)
    (tmp_path / name).write_text(words.format(clip="other.ts"))
    with pytest.raises(ValueError, match="Expected a complete video or image"):
        open_frames(tmp_path / name)
