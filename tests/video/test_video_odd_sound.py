"""Sound that players take without a word: odd rates, layouts, containers; and sound that nothing can read."""

import os
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from odd_clips import SOUND_RATE, beep_time, coded_frame, patch_channel_order, sound_of, spoil_packets, write_coded
from video_clips import write_clip

from diffusionact.video import VideoWriter, open_frames
from diffusionact.video.audio import sound_problem
from diffusionact.video.sound_reading import SoundReader

REPOSITORY = Path(__file__).resolve().parents[2]
FILM_ORDER_5_1 = 123 << 16 | 6  # L C R Ls Rs LFE
MPEG_7_1 = 126 << 16 | 8  # L R C LFE Ls Rs Lc Rc
BEEP_S = 0.5


def carried(path: Path, clip: Path) -> Path:
    """The clip, with its sound, written anew."""
    frames = open_frames(clip)
    assert frames.has_audio
    with VideoWriter(path, frames.frame_rate, frames.size, audio_from=clip, clip=frames) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def channel_tones(path: Path, layout: str, channels: int, tag: int | None = None) -> Path:
    """A MOV with PCM in which channel k of the stored order hums at 300 + 200 k Hz."""
    with av.open(str(path), "w") as container:
        images = container.add_stream("mpeg4", rate=24)
        images.width, images.height, images.pix_fmt = 64, 48, "yuv420p"
        track = container.add_stream("pcm_s16le", rate=SOUND_RATE, layout=layout)
        for index in range(24):
            container.mux(images.encode(av.VideoFrame.from_ndarray(coded_frame(index), "rgb24")))
        container.mux(images.encode(None))
        time = np.arange(SOUND_RATE) / SOUND_RATE
        tones = [8000 * np.sin(2 * np.pi * (300 + 200 * k) * time) for k in range(channels)]
        frame = av.AudioFrame.from_ndarray(np.stack(tones, 1).astype(np.int16).reshape(1, -1), "s16", layout)
        frame.sample_rate, frame.pts = SOUND_RATE, 0
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return path if tag is None else patch_channel_order(path, tag)


def tones_of(samples: np.ndarray, rate: int) -> list[int]:
    """For each channel the k of its tone."""
    spectrum = np.abs(np.fft.rfft(samples[:, rate // 4 : rate // 4 + rate // 2]))
    return [round((peak * 2 - 300) / 200) for peak in spectrum.argmax(axis=1)]


def in_own_process(program: str) -> subprocess.CompletedProcess:
    """A sound that ends the process must not end the tests."""
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{Path(__file__).parent}"}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=900)


ORDERS = """
from test_video_odd_sound import Path, SoundReader, carried, np, tones_of
for name in ("film", "mpeg"):
    clip = Path({folder!r}) / (name + ".mov")
    reader = SoundReader(clip)
    samples = np.concatenate(list(reader.blocks()), axis=1)
    reader.close()
    print(name, *tones_of(samples, reader.rate), flush=True)
    carried(clip.with_suffix(".mp4"), clip)
"""


def test_channels_in_an_order_of_their_own_are_read_and_put_in_order(tmp_path):
    channel_tones(tmp_path / "film.mov", "5.1", 6, FILM_ORDER_5_1)
    channel_tones(tmp_path / "mpeg.mov", "7.1", 8, MPEG_7_1)
    run = in_own_process(ORDERS.format(folder=str(tmp_path)))
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["film 0 2 1 5 3 4", "mpeg 0 1 2 3 6 7 4 5"]
    for name, channels in (("film", 6), ("mpeg", 8)):
        _, rate, samples = sound_of(tmp_path / f"{name}.mp4")
        assert len(samples) == channels and abs(samples.shape[1] / rate - 1) < 0.05


ORDINARY = {
    "avi with pcm": ("a.avi", "mjpeg", "yuvj420p", ("pcm_s16le", 44100, "mono")),
    "avi with mp3": ("b.avi", "mpeg4", "yuv420p", ("libmp3lame", 44100, "stereo")),
    "wmv": ("c.wmv", "wmv2", "yuv420p", ("wmav2", 44100, "stereo")),
    "192 kHz": ("d.mkv", "libx264", "yuv420p", ("flac", 192000, "stereo")),
    "40 kHz": ("e.mkv", "libx264", "yuv420p", ("flac", 40000, "mono")),
    "side channels": ("f.mkv", "libx264", "yuv420p", ("flac", 48000, "5.1(side)")),
    "opus": ("g.mkv", "libx264", "yuv420p", ("libopus", 48000, "stereo")),
    "mp2 in a recording": ("h.ts", "mpeg2video", "yuv420p", ("mp2", 48000, "stereo")),
}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_sound_comes_along_and_in_step(tmp_path, kind, suffix):
    name, codec, pix_fmt, sound = ORDINARY[kind]
    clip = write_coded(tmp_path / name, list(range(24)), codec, pix_fmt, sound=sound, beep_s=BEEP_S)
    written = carried(tmp_path / f"out{suffix}", clip)
    assert beep_time(written) == pytest.approx(BEEP_S, abs=0.03)
    with av.open(str(written)) as container:
        track = container.streams.audio[0]
        assert track.rate <= 96000 or suffix == ".mkv"
        assert track.channels == av.AudioLayout(sound[2]).nb_channels
        assert suffix == ".mkv" or track.layout.name in ("mono", "stereo", "5.1")


def test_sound_that_cannot_be_decoded_is_left_out_before_the_first_frame(tmp_path):
    clip = write_coded(tmp_path / "a.mkv", list(range(24)), sound=("flac", 48000, "mono"))
    spoil_packets(clip, "audio", slice(None))
    frames = open_frames(clip)
    assert not frames.has_audio and len(list(frames)) == 24
    assert frames.problems[0].startswith("The sound of 'a.mkv' is left out: ")
    assert "nothing of it can be decoded" in sound_problem(clip)


def test_default_sound_track_is_taken(tmp_path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        images = container.add_stream("libx264", rate=24)
        images.width, images.height, images.pix_fmt = 64, 48, "yuv420p"
        tracks = [container.add_stream("flac", rate=SOUND_RATE, layout="mono") for _ in range(2)]
        tracks[0].disposition, tracks[1].disposition = 0, av.stream.Disposition.default
        for index in range(24):
            container.mux(images.encode(av.VideoFrame.from_ndarray(coded_frame(index), "rgb24")))
        container.mux(images.encode(None))
        for number, track in enumerate(tracks):
            tone = 0.5 * np.sin(2 * np.pi * (300 + 200 * number) * np.arange(SOUND_RATE) / SOUND_RATE)
            frame = av.AudioFrame.from_ndarray((tone[None] * 32767).astype(np.int16), "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
    reader = SoundReader(path)
    assert tones_of(np.concatenate(list(reader.blocks()), axis=1), SOUND_RATE) == [1]
    reader.close()


def test_damaged_sound_in_the_middle_keeps_the_rest_in_step(tmp_path):
    clip = write_coded(tmp_path / "a.mkv", list(range(48)), sound=("flac", 48000, "mono"), beep_s=1.5)
    spoil_packets(clip, "audio", slice(4, 8))
    assert beep_time(carried(tmp_path / "out.mp4", clip)) == pytest.approx(1.5, abs=0.03)


FUZZ = """
import random, sys
from test_video_odd_sound import Path, SoundReader, VideoWriter, open_frames, seeds, mutated
folder, first = Path(sys.argv[1] if len(sys.argv) > 1 else {folder!r}), None
count = 0
for number, (name, data) in enumerate(mutated(seeds(folder), {count}, 13)):
    path = folder / ("fuzz_" + name)
    path.write_bytes(data)
    print(number, name, flush=True)
    try:
        reader = SoundReader(path)
        for _, block in zip(range(200), reader.blocks()):
            pass
        reader.close()
    except ValueError:
        pass
    try:
        frames = open_frames(path, keep_damaged=True)
        sound = path if frames.has_audio else None
        with VideoWriter(folder / "out.mp4", frames.frame_rate, (48, 64), audio_from=sound) as writer:
            first = next(iter(frames))
            for _ in range(12):
                writer.write(first[:48, :64].contiguous())
    except (ValueError, OSError):
        pass
    count += 1
print("read", count)
"""


def seeds(folder: Path) -> list[Path]:
    """Sound of many kinds, some of it in channel orders of its own."""
    made = [
        write_coded(folder / f"seed_{name}", list(range(6)), codec, pix_fmt, sound=sound)
        for name, codec, pix_fmt, sound in ORDINARY.values()
    ]
    made.append(channel_tones(folder / "seed_film.mov", "5.1", 6, FILM_ORDER_5_1))
    made.append(channel_tones(folder / "seed_7_1.mov", "7.1", 8, MPEG_7_1))
    return [*made, write_clip(folder / "seed_aac.mp4", count=6, sound_s=0.5)]


def mutated(files: list[Path], count: int, seed: int):
    """Yield (name, bytes): bytes changed at random, mostly in headers; runs zeroed; tails cut."""
    chance = random.Random(seed)
    for number in range(count):
        file = files[number % len(files)]
        data = bytearray(file.read_bytes())
        if chance.random() < 0.2:
            data = data[: chance.randrange(len(data) // 4, len(data))]
        for mark in (b"chan", b"stsd", b"esds", b"fmt ", b"strf"):
            place = data.find(mark)
            if place > 0 and chance.random() < 0.5:
                data[place + chance.randrange(4, 40)] = chance.randrange(256)
        for _ in range(chance.randrange(1, 20)):
            begin = chance.randrange(len(data))
            span = min(len(data) - begin, chance.choice((1, 1, 2, 8, 200)))
            data[begin : begin + span] = chance.randbytes(span) if chance.random() < 0.7 else bytes(span)
        yield file.name, bytes(data)


@pytest.mark.slow
def test_a_hundred_mutated_sound_files_end_no_process(tmp_path):
    run = in_own_process(FUZZ.format(folder=str(tmp_path), count=100))
    assert run.returncode == 0, run.stdout[-200:] + run.stderr[-2000:]
    assert run.stdout.strip().endswith("read 100")
