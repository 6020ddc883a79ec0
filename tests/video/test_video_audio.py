"""Sound of the driving file in the written video."""

from fractions import Fraction

import av
import numpy as np
import pytest
from video_clips import SAMPLE_RATE, moving_square, write_clip

from diffusionact.video import VideoWriter

RATE = Fraction(30000, 1001)


def write_with_sound(path, audio_from, count=30):
    with VideoWriter(path, RATE, (48, 64), audio_from=audio_from) as writer:
        for index in range(count):
            writer.write(moving_square(index))
    return path


def decode_sound(path):
    """Codec name, start in seconds of the first frame, (samples,) float."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        samples = np.concatenate([frame.to_ndarray().astype(np.float64)[0] for frame in frames])
        return stream.codec_context.name, float(frames[0].pts * frames[0].time_base), samples


def packet_payloads(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_packets_are_copied_and_cut_to_the_images(tmp_path, clip, suffix):
    written = write_with_sound(tmp_path / f"out{suffix}", clip)
    copied, original = packet_payloads(written), packet_payloads(clip)
    offset = original.index(copied[0])
    assert copied == original[offset : offset + len(copied)] and offset <= 1
    codec, start, samples = decode_sound(written)
    assert codec == "aac" and abs(start) < 1e-3
    assert 30 / RATE <= len(samples) / SAMPLE_RATE < 30 / RATE + 0.03


def test_sound_and_images_stay_in_step(tmp_path, clip):
    """The sine's phase tells the time to well below a millisecond."""
    for suffix in (".mp4", ".mkv"):
        _, start, samples = decode_sound(write_with_sound(tmp_path / f"out{suffix}", clip))
        time = start + np.arange(4096, 12288) / SAMPLE_RATE
        expected = 0.5 * np.sin(2 * np.pi * 440 * time)
        assert np.corrcoef(samples[4096:12288], expected)[0, 1] > 0.95


def test_late_start_of_the_driving_file_is_taken_off(tmp_path):
    late = write_clip(tmp_path / "late.mkv", sound_s=1.5, start=Fraction(2))
    _, start, samples = decode_sound(write_with_sound(tmp_path / "out.mp4", late))
    assert abs(start) < 0.05 and len(samples) / SAMPLE_RATE > 0.95


def test_sound_that_the_container_does_not_take_becomes_aac(tmp_path):
    source = write_clip(tmp_path / "clip.mkv", sound_s=1.5, codec="flac")
    codec, start, samples = decode_sound(write_with_sound(tmp_path / "out.mp4", source))
    assert codec == "aac" and abs(start) < 0.03
    assert 30 / RATE - 0.03 <= len(samples) / SAMPLE_RATE < 30 / RATE + 0.15
    assert np.abs(samples[4096:40000]).max() == pytest.approx(0.5, abs=0.05)


def test_sound_shorter_than_the_images_is_kept_whole(tmp_path):
    source = write_clip(tmp_path / "clip.mp4", sound_s=0.4)
    _, _, samples = decode_sound(write_with_sound(tmp_path / "out.mp4", source))
    assert 0.4 <= len(samples) / SAMPLE_RATE < 0.45


@pytest.mark.parametrize("kind", ["silent", "damaged"])
def test_file_without_readable_sound_is_rejected_and_nothing_is_left(tmp_path, kind):
    source = write_clip(tmp_path / "clip.mp4")
    if kind == "damaged":
        source.write_bytes(source.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"Expected a file with a readable audio.*audio_from=None"):
        write_with_sound(tmp_path / "out.mp4", source)
    with pytest.raises(FileNotFoundError, match=r"Expected a file with sound.*check the path"):
        write_with_sound(tmp_path / "out.mp4", tmp_path / "absent.mp4")
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]
