"""Odd but real clips, made with PyAV and patched bytes: uneven times, strange sound, display matrices, damage."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (48, 64)
SOUND_RATE = 48000
UNEVEN_SLOTS = [*range(24), *(24 + 3 * index for index in range(24))]  # 24 a second, then 8 a second


def coded_frame(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A frame (H, W, 3) uint8 with the six binary digits of its index as columns: see `index_of`."""
    frame = np.full((*size, 3), 40, np.uint8)
    for digit, column in enumerate(np.array_split(np.arange(size[1]), 6)):
        frame[:, column] = 200 if index >> digit & 1 else 40
    return frame


def index_of(frame) -> int:
    """The index that `coded_frame` wrote."""
    columns = np.array_split(np.asarray(frame, dtype=np.float64).mean(axis=(0, 2)), 6)
    return sum(int(column.mean() > 120) << digit for digit, column in enumerate(columns))


def write_coded(
    path: Path,
    slots: list[int],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: int = 24,
    sound: tuple[str, int, str] | None = None,
    options: dict[str, str] | None = None,
    size: tuple[int, int] = SIZE,
    beep_s: float = 0.0,
) -> Path:
    """Write coded frames at whole multiples of 1 / rate; sound is (codec, rate, layout), silent but for a beep."""
    with av.open(str(path), "w") as container:
        images = container.add_stream(codec, rate=rate, options=options or {})
        images.height, images.width, images.pix_fmt = *size, pix_fmt
        track = container.add_stream(sound[0], rate=sound[1], layout=sound[2]) if sound else None
        if track and sound[0] == "wmav2":
            track.bit_rate = 128_000
        for index, slot in enumerate(slots):
            frame = av.VideoFrame.from_ndarray(coded_frame(index, size), format="rgb24")
            frame.pts, frame.time_base = slot, Fraction(1, rate)
            container.mux(images.encode(frame))
        container.mux(images.encode(None))
        if track:
            write_beep(container, track, (slots[-1] + 1) / rate, beep_s)
    return path


def write_beep(container, track, seconds: float, beep_s: float) -> None:
    """Sound of 0.1 s at `beep_s`, in all channels, and silence else."""
    rate, channels = track.rate, track.layout.nb_channels
    time = np.arange(round(seconds * rate)) / rate
    tone = 0.5 * np.sin(2 * np.pi * 1000 * time) * ((time >= beep_s) & (time < beep_s + 0.1))
    samples = np.repeat(tone[None], channels, axis=0).astype(np.float32)
    for begin in range(0, samples.shape[1], 1024):
        piece = np.ascontiguousarray(samples[:, begin : begin + 1024].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(piece, "flt", track.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        container.mux(track.encode(frame))
    container.mux(track.encode(None))


def times_and_indices(path: Path) -> list[tuple[float, int]]:
    """(seconds, index) of the coded frames of a written video, as a player has them."""
    with av.open(str(path)) as container:
        return [(frame.time, index_of(frame.to_ndarray(format="rgb24"))) for frame in container.decode(video=0)]


def sound_of(path: Path) -> tuple[float, int, np.ndarray]:
    """Start in seconds, rate, and (channels, samples) of a written video's sound."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt")
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        samples = [frame.to_ndarray().reshape(frame.samples, -1).T for frame in frames]
        return frames[0].time, frames[0].sample_rate, np.concatenate(samples, axis=1)


def beep_time(path: Path) -> float:
    """Second at which the beep begins."""
    start, rate, samples = sound_of(path)
    return start + float(np.argmax(np.abs(samples).max(axis=0) > 0.1)) / rate


def patch_matrix(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write (a, b, c, d), whole numbers, into the display matrix of an MP4's only track."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 4 + 20 + 16  # version 0: five times, layer and volume before the matrix
    a, b, c, d = (value << 16 for value in matrix)
    values = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    data[place : place + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in values)
    path.write_bytes(data)
    return path


def spoil_packets(path: Path, kind: str, numbers: slice) -> Path:
    """Overwrite packets of the first "audio" or "video" stream, so that they cannot be decoded."""
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(**{kind: 0}) if packet.size]
    data = bytearray(path.read_bytes())
    for packet in packets[numbers]:
        place = data.index(packet)
        data[place : place + len(packet)] = b"\x55" * len(packet)
    path.write_bytes(data)
    return path


def patch_channel_order(path: Path, tag: int) -> Path:
    """Write another QuickTime layout tag into the atom `chan` of a MOV's sound track."""
    data = bytearray(path.read_bytes())
    place = data.index(b"chan") + 8
    data[place : place + 12] = tag.to_bytes(4, "big") + bytes(8)
    path.write_bytes(data)
    return path
