"""When frames show: uneven times, headers that are wrong, parts of a clip; sound stays in step."""

from fractions import Fraction
from pathlib import Path

import pytest
from odd_clips import UNEVEN_SLOTS, beep_time, coded_frame, index_of, sound_of, times_and_indices, write_coded
from PIL import Image

from diffusionact.video import VideoWriter, open_frames

FRAME = 1 / 24
FLASH = 36  # index of the frame that shows at the beep
KEY_FRAMES = {"g": "24", "bf": "0", "sc_threshold": "0"}
BEEP_S = UNEVEN_SLOTS[FLASH] / 24  # 2.5 s


def uneven_clip(path: Path) -> Path:
    """24 frames at 24 a second, then 24 at 8 a second, with a beep when frame FLASH shows."""
    return write_coded(path, UNEVEN_SLOTS, sound=("aac", 48000, "mono"), options={"g": "12"}, beep_s=BEEP_S)


def written(path: Path, clip: Path, **choice) -> list[tuple[float, int]]:
    """Write a clip anew, with its sound; (seconds, index) of the frames."""
    frames = open_frames(clip, **choice)
    audio = clip if frames.has_audio else None
    with VideoWriter(path, frames.frame_rate, frames.size, audio_from=audio, clip=frames) as writer:
        for frame in frames:
            writer.write(frame)
    return times_and_indices(path)


def shown_at(frames: list[tuple[float, int]], second: float) -> int:
    """Index of the frame that shows at a second."""
    return [index for start, index in frames if start <= second + 1e-3][-1]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("source", ["vfr.mp4", "vfr.mkv"])
def test_uneven_times_are_kept_with_the_sound_in_step(tmp_path, source, suffix):
    clip = uneven_clip(tmp_path / source)
    frames = written(tmp_path / f"out{suffix}", clip)
    assert [index for _, index in frames] == list(range(48))
    for (seconds, _), slot in zip(frames, UNEVEN_SLOTS, strict=True):
        assert seconds == pytest.approx(slot / 24, abs=1.1e-3)
    assert beep_time(tmp_path / f"out{suffix}") == pytest.approx(BEEP_S, abs=0.03)


def test_constant_rate_repeats_frames_and_keeps_the_sound_in_step(tmp_path):
    clip = uneven_clip(tmp_path / "vfr.mp4")
    frames = written(tmp_path / "out.mp4", clip, is_constant=True)
    assert [seconds for seconds, _ in frames] == pytest.approx([slot / 24 for slot in range(len(frames))], abs=1e-4)
    assert len(frames) == pytest.approx(UNEVEN_SLOTS[-1] + 1, abs=3)
    for index, slot in enumerate(UNEVEN_SLOTS):
        assert shown_at(frames, slot / 24) == index
    assert beep_time(tmp_path / "out.mp4") == pytest.approx(BEEP_S, abs=0.03)


@pytest.mark.parametrize("rate", [Fraction(12), Fraction(60), Fraction(30000, 1001)])
def test_chosen_rate_shows_every_frame_within_half_a_frame_of_its_time(tmp_path, rate):
    frames = open_frames(uneven_clip(tmp_path / "vfr.mp4"), frame_rate=rate)
    assert frames.is_even and frames.frame_rate == rate
    shown = [(float(frames.time(number).start), index_of(frame)) for number, frame in enumerate(frames)]
    assert len(shown) == frames.frame_count or abs(len(shown) - frames.frame_count) <= rate / 8
    for seconds, index in shown:
        begin, end = UNEVEN_SLOTS[index] / 24, (UNEVEN_SLOTS[index + 1] if index < 47 else 96) / 24
        assert begin - 0.51 / rate <= seconds <= end + 0.51 / rate


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_delays_of_an_animation_are_kept(tmp_path, suffix):
    delays = [1000, *[40] * 23]
    pictures = [Image.fromarray(coded_frame(index)) for index in range(24)]
    path = tmp_path / f"a{suffix}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=delays, lossless=True)
    frames = open_frames(path)
    assert not frames.is_even and frames.frame_rate == 25
    shown = written(tmp_path / "out.mp4", path)
    assert [seconds for seconds, _ in shown[:3]] == pytest.approx([0, 1.0, 1.04], abs=1e-4)
    assert len(list(open_frames(path, is_constant=True))) == 25 + 23


def recording(path: Path, kept: slice, lost: slice | None = None) -> Path:
    """A transport stream of 48 frames with a key frame every 24, cut in units of its packets; frame 36 has the beep."""
    write_coded(path, list(range(48)), sound=("mp2", 48000, "mono"), options=KEY_FRAMES, beep_s=1.5, size=(96, 128))
    data = path.read_bytes()
    packets = [data[begin : begin + 188] for begin in range(0, len(data), 188)]
    begin, end = (round(len(packets) * share) if share else share for share in (kept.start, kept.stop))
    path.write_bytes(b"".join(packets[begin:end]))
    return path


def test_recording_cut_between_key_frames_stays_in_step(tmp_path):
    clip = recording(tmp_path / "cut.ts", slice(0.3, None))
    assert open_frames(clip).frame_rate == 24
    frames = written(tmp_path / "out.mp4", clip)
    flash = next(seconds for seconds, index in frames if index == 36)
    assert flash == pytest.approx(beep_time(tmp_path / "out.mp4"), abs=FRAME)
    assert frames[0][0] == 0 and frames[0][1] == 24


def test_recording_cut_at_its_end_keeps_its_rate(tmp_path):
    clip = recording(tmp_path / "cut.ts", slice(None, 0.8))
    frames = written(tmp_path / "out.mp4", clip, keep_damaged=True)
    assert open_frames(clip).frame_rate == 24
    assert [round(seconds * 24) for seconds, _ in frames] == list(range(len(frames)))


def test_lost_frame_leaves_a_gap_and_not_another_rate(tmp_path):
    slots = [slot for slot in range(48) if slot != 20]
    clip = write_coded(tmp_path / "lost.mp4", slots, sound=("aac", 48000, "mono"), beep_s=1.5)
    assert len(open_frames(clip, is_constant=True).problems) == 0
    frames = written(tmp_path / "out.mp4", clip)
    assert [round(seconds * 24) for seconds, _ in frames] == slots
    flash = next(seconds for seconds, index in frames if index == 35)
    assert flash == pytest.approx(beep_time(tmp_path / "out.mp4"), abs=FRAME)
    assert len(list(open_frames(clip, is_constant=True))) == 48


def test_avi_with_dropped_frames_plays_as_long_as_it_does(tmp_path):
    clip = write_coded(
        tmp_path / "capture.avi", UNEVEN_SLOTS, "mjpeg", "yuvj420p", sound=("pcm_s16le", 44100, "mono"), beep_s=BEEP_S
    )
    assert open_frames(clip).frame_count == 48
    frames = written(tmp_path / "out.mkv", clip)
    assert [round(seconds * 24) for seconds, _ in frames] == UNEVEN_SLOTS
    assert beep_time(tmp_path / "out.mkv") == pytest.approx(BEEP_S, abs=0.03)
    start, rate, samples = sound_of(tmp_path / "out.mkv")
    assert start + samples.shape[1] / rate == pytest.approx(94 / 24, abs=0.1)


def test_avi_with_reordered_frames_has_its_rate_and_length(tmp_path):
    clip = write_coded(tmp_path / "b.avi", list(range(48)), sound=("pcm_s16le", 44100, "mono"), beep_s=1.5)
    source = open_frames(clip)
    assert source.frame_rate == 24 and source.frame_count == 48
    frames = written(tmp_path / "out.mp4", clip)
    assert [round(seconds * 24) for seconds, _ in frames] == list(range(48))
    assert [index for _, index in frames] == list(range(48))
    flash = next(seconds for seconds, index in frames if index == 36)
    # The container shows reordered frames late: players have them up to three frames after their sound.
    assert flash == pytest.approx(beep_time(tmp_path / "out.mp4"), abs=3.1 * FRAME)


@pytest.mark.parametrize("name", ["even.mp4", "even.mkv", "vfr.mp4", "even.ts", "b.avi"])
def test_part_of_a_clip_begins_at_its_frame_with_the_sound_in_step(tmp_path, name):
    slots = UNEVEN_SLOTS if name.startswith("vfr") else list(range(48))
    codec = ("pcm_s16le" if name.endswith("avi") else "mp2" if name.endswith("ts") else "aac", 48000, "mono")
    options = {"g": "12", "bf": "0"}
    clip = write_coded(tmp_path / name, slots, sound=codec, options=options, beep_s=slots[30] / 24)
    frames = written(tmp_path / "out.mp4", clip, start=1.0, end=1.5)
    expected = [index for index, slot in enumerate(slots) if 24 <= slot < 36]
    assert [index for _, index in frames] == expected
    if 30 in expected:
        flash = next(seconds for seconds, index in frames if index == 30)
        assert flash == pytest.approx(beep_time(tmp_path / "out.mp4"), abs=FRAME)
    assert open_frames(clip, start=1.0, end=1.5).frame_count == len(expected)


def test_part_of_images_is_taken_by_their_times(tmp_path):
    for index in range(30):
        Image.fromarray(coded_frame(index)).save(tmp_path / f"{index}.png")
    frames = open_frames(tmp_path, start=0.4, end=0.8)
    assert [index_of(frame) for frame in frames] == list(range(10, 20)) and frames.frame_count == 10


def test_part_where_nothing_lies_is_rejected(tmp_path):
    clip = write_coded(tmp_path / "a.mp4", list(range(12)))
    with pytest.raises(ValueError, match=r"lasts 0\.50 s, received 2\.00 s to the end .*earlier start"):
        open_frames(clip, start=2)
    for start, end in ((-1, None), (1, 1), (1, 0.5)):
        with pytest.raises(ValueError, match="Expected 0 <= start < end"):
            open_frames(clip, start=start, end=end)
    with pytest.raises(ValueError, match="Expected a frame rate above 0"):
        open_frames(clip, frame_rate=Fraction(0))
